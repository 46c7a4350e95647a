"""Embeddings in a task: texts with labels, read by word vectors, ELMo or both, and classified."""
