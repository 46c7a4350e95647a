"""What the layers of a model know: parts of speech, the meaning of words in context."""
