"""Documents as bags of words: which tokens of the vocabulary each has, and how often."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


def count_terms(documents: pa.ListArray, vocabulary: pa.Array) -> tuple[pa.ListArray, pa.ListArray]:
    """Count the tokens of each document, as gensim's ``Dictionary.doc2bow``; unknown ones are left out.

    Args:
        documents: lists of sentences, shape ``(D,)``, as :func:`embtrain.text.document_sentences` gives them.
        vocabulary: the tokens in order of their ids: string array, shape ``(V,)``.

    Returns:
        Ids of the distinct tokens, ascending, and the occurrences of each: lists of int32, both of shape ``(D,)``.
    """
    sentences = pc.split_pattern(documents.flatten(), " ")
    ids = pc.index_in(sentences.flatten(), value_set=vocabulary)
    known = ids.is_valid().to_numpy(zero_copy_only=False)
    document = np.repeat(np.repeat(np.arange(len(documents)), _lengths(documents)), _lengths(sentences))[known]
    # Of one number each, cells are sorted faster than as pairs.
    cells, counts = np.unique(document * len(vocabulary) + ids.drop_null().to_numpy(), return_counts=True)
    document, terms = np.divmod(cells, max(1, len(vocabulary)))
    offsets = pa.array(np.searchsorted(document, np.arange(len(documents) + 1)), pa.int32())
    return tuple(pa.ListArray.from_arrays(offsets, pa.array(values, pa.int32())) for values in (terms, counts))


def _lengths(lists: pa.ListArray) -> npt.NDArray[np.int32]:
    return np.asarray(np.diff(lists.offsets.to_numpy()))
