"""From text to tokens, the same in Spark's workers and in a served model.

Everything works on whole Arrow arrays and is elementwise: a text gives the same tokens whatever
else is in its batch. A tokenised text is one string, its tokens separated by single blanks, for as
long as possible: strings cross process borders, are hashed and are shuffled several times faster
than arrays of strings.
"""

from embtrain.text.phrases import join_phrases
from embtrain.text.rules import TextRules, document_sentences, measured_sentences, sentences, tokenise
from embtrain.text.tokeniser import Tokeniser, take_apart

__all__ = [
    "TextRules",
    "Tokeniser",
    "document_sentences",
    "join_phrases",
    "measured_sentences",
    "sentences",
    "take_apart",
    "tokenise",
]
