"""Phrases: pairs of neighbours that occur together more often than chance has it, joined to one token.

The method is that of Mikolov et al. (2013b), section 4, and of their program word2phrase: count tokens and
pairs, score the pairs, join the high ones, and do so again for longer phrases. Counting a corpus is
``pipelines.phrases``; here is what needs no Spark, so that new text is joined as the corpus was.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

JOINER = "_"

Counts = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]


def word2vec_score(count: Counts, first: Counts, second: Counts, *, tokens: int, min_count: int) -> Scores:
    r"""Score pairs as word2phrase.c does: Mikolov et al. (2013b), eq. 6, times the length of the corpus.

    .. math:: \frac{c_{ab} - \delta}{c_a c_b} N

    gensim's ``original_scorer`` has the number of distinct tokens and pairs in place of ``N``.

    Args:
        count: occurrences of each pair. Shape ``(P,)``.
        first: occurrences of its first token. Shape ``(P,)``.
        second: occurrences of its second token. Shape ``(P,)``.
        tokens: length of the corpus, ``N``.
        min_count: ``δ``, which keeps rare pairs from scoring high.

    Returns:
        Scores, shape ``(P,)``; negative for pairs rarer than ``min_count``.
    """
    return (count - min_count) / first / second * tokens


def npmi_score(count: Counts, first: Counts, second: Counts, *, tokens: int) -> Scores:
    r"""Score pairs by normalised pointwise mutual information (Bouma, 2009, eq. 7), as gensim's ``npmi_scorer``.

    .. math:: \ln\frac{p_{ab}}{p_a p_b} \Big/ -\ln p_{ab}

    Args:
        count: occurrences of each pair, at least one. Shape ``(P,)``.
        first: occurrences of its first token. Shape ``(P,)``.
        second: occurrences of its second token. Shape ``(P,)``.
        tokens: length of the corpus, by which counts become probabilities.

    Returns:
        Scores, shape ``(P,)``, from -1 to 1: 0 for independent tokens, 1 for tokens that occur only together.
    """
    pair = count / tokens
    return np.log(pair / (first / tokens * (second / tokens))) / -np.log(pair)


def pair_keys(sentences: pa.ListArray, vocabulary: pa.Array) -> Counts:
    """Write each two neighbours within a sentence as one number; a pair with an unknown token is left out.

    Args:
        sentences: lists of tokens, shape ``(S,)``.
        vocabulary: the tokens that count, each once. Shape ``(V,)``.

    Returns:
        ``V * i + j`` for the ``i``-th token of the vocabulary before the ``j``-th, in order of the text.
    """
    ids, followed = _lookup(sentences, vocabulary)
    known = ids < len(vocabulary)
    at = np.flatnonzero(known[:-1] & known[1:] & followed[:-1])
    return ids[at] * len(vocabulary) + ids[at + 1]


def join_phrases(tokenised: pa.Array, phrases: pa.Table) -> pa.Array:
    """Join the phrases in texts, one pass after the other.

    In each pass a text is read from left to right and a pair is joined as soon as it is met: of
    *a b c* with the phrases *a b* and *b c* comes ``a_b c``, as from word2phrase and gensim.

    Args:
        tokenised: string array without nulls, shape ``(S,)``: tokens separated by single blanks, as
            :func:`embtrain.text.sentences` gives them.
        phrases: table ``embtrain.schema.PHRASES``.

    Returns:
        String array of the same form, shape ``(S,)``.
    """
    for number in sorted(set(phrases["pass"].to_pylist())):
        tokenised = _join_pass(tokenised, phrases.filter(pc.equal(phrases["pass"], number)))
    return tokenised


def _join_pass(tokenised: pa.Array, phrases: pa.Table) -> pa.Array:
    first, second = (phrases[column].combine_chunks() for column in ("first", "second"))
    vocabulary = pc.unique(pa.concat_arrays([first, second]))
    ids, followed = _lookup(pc.split_pattern(tokenised, " "), vocabulary)
    # One more than the vocabulary: unknown tokens have a number of their own.
    base = len(vocabulary) + 1
    keys = _ids(first, vocabulary) * base + _ids(second, vocabulary)
    pairs = ids[:-1] * base + ids[1:]
    is_phrase = pc.is_in(pa.array(pairs), value_set=pa.array(keys)).to_numpy(zero_copy_only=False)
    joined = np.zeros(len(ids), dtype=np.bool_)
    joined[_without_overlaps(np.flatnonzero(is_phrase & followed[:-1]))] = True
    return _join_at(tokenised, joined[followed])


def _lookup(sentences: pa.ListArray, vocabulary: pa.Array) -> tuple[Counts, npt.NDArray[np.bool_]]:
    """Return the id of each token, ``len(vocabulary)`` if unknown, and whether another follows in its sentence."""
    ids = _ids(sentences.flatten(), vocabulary)
    offsets = sentences.offsets.to_numpy()
    begins = np.zeros(len(ids) + 1, dtype=np.bool_)
    begins[offsets - offsets[0]] = True
    return ids, ~begins[1:]


def _ids(tokens: pa.Array, vocabulary: pa.Array) -> Counts:
    ids = pc.fill_null(pc.index_in(tokens, value_set=vocabulary), len(vocabulary))
    return np.asarray(ids, dtype=np.int64)


def _without_overlaps(positions: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Keep the first, third, fifth … of each run of successive positions: a pair takes two tokens."""
    begins = np.diff(positions, prepend=-2) != 1
    run_begin = np.maximum.accumulate(np.where(begins, positions, 0))
    return np.extract((positions - run_begin) % 2 == 0, positions)


def _join_at(tokenised: pa.Array, joined: npt.NDArray[np.bool_]) -> pa.Array:
    """Write the joiner over blanks.

    Args:
        tokenised: string array, shape ``(S,)``.
        joined: which of its blanks, in order of the text. Shape ``(B,)``.
    """
    validity, offsets, data = tokenised.buffers()
    length = len(tokenised) + tokenised.offset + 1
    begin, end = np.frombuffer(offsets, dtype=np.int32, count=length)[[tokenised.offset, -1]]
    text = np.frombuffer(data or b"", dtype=np.uint8).copy()
    blanks = begin + np.flatnonzero(text[begin:end] == ord(" "))
    text[blanks[joined]] = ord(JOINER)
    return pa.Array.from_buffers(
        tokenised.type, len(tokenised), [validity, offsets, pa.py_buffer(text)], offset=tokenised.offset
    )
