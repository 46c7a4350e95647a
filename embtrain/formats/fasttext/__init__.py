"""Models of Facebook's fastText: ``.bin``, and the quantised ``.ftz``. Its ``.vec`` is word2vec's text format.

A model without n-grams is read as vectors of words alone, and these are written as such a model.
"""

from __future__ import annotations

from embtrain.formats.fasttext.reading import read as read
from embtrain.formats.fasttext.writing import write as write
