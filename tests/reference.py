"""The slow and obvious twin of every kernel: plain loops over Python numbers, in float64."""

import dataclasses
import itertools
import math
import unicodedata
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import numpy as np

MASK = 2**64 - 1


# --- random numbers ------------------------------------------------------------------------------------------------


class Random:
    """SplitMix64's finaliser, then xorshift64, on Python's unbounded integers."""

    def __init__(self, seed):
        z = (seed + 0x9E3779B97F4A7C15) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        self.state = (z ^ (z >> 31)) | 1

    def next(self):
        self.state ^= (self.state << 13) & MASK
        self.state ^= self.state >> 7
        self.state ^= (self.state << 17) & MASK
        return self.state

    def below(self, bound):
        return ((self.next() & 0xFFFFFFFF) * bound) >> 32

    def negative(self, alias):
        slot = self.below(len(alias))
        share, other = int(alias[slot]) >> 32, int(alias[slot]) & 0xFFFFFFFF
        return slot if self.state >> 32 < share else other


def alias_probability(alias):
    """Return the probability of each id that an alias table stands for."""
    probability = np.zeros(len(alias))
    for slot, entry in enumerate(alias.tolist()):
        share = (entry >> 32) / 2**32
        probability[slot] += share / len(alias)
        probability[entry & 0xFFFFFFFF] += (1 - share) / len(alias)
    return probability


# --- skip-gram and CBOW --------------------------------------------------------------------------------------------


def drawn_sequences(
    ids, offsets, keep_threshold, alias, window, dynamic_window, num_negatives, seed, *, shared_negatives=True
):
    """Yield (ids kept, windows) of every sequence; a window is (context positions, negatives), as kernels draw."""
    random = Random(seed)
    fresh = (num_negatives + 1) // 2 if shared_negatives else num_negatives
    rest = num_negatives if shared_negatives else 0
    for first, last in pairwise(offsets):
        kept = [int(i) for i in ids[first:last] if random.next() >> 32 <= keep_threshold[i]]
        drawn = [random.negative(alias) for _ in range(fresh * len(kept) + rest)]
        windows = []
        for position in range(len(kept)):
            width = random.below(window) + 1 if dynamic_window else window
            near = range(max(0, position - width), min(len(kept), position + width + 1))
            # Half of a window's negatives are those of the window before, where they are shared.
            windows.append(([i for i in near if i != position], drawn[position * fresh :][:num_negatives]))
        yield kept, windows


def windows(*arguments):
    """Yield (center, context ids, negatives) of every position; arguments as for :func:`drawn_sequences`."""
    for kept, of_sequence in drawn_sequences(*arguments):
        for center, (contexts, negatives) in zip(kept, of_sequence, strict=True):
            yield center, [kept[i] for i in contexts], negatives


def predict(rows, targets, output_rows, learning_rate):
    """Take one minibatch step of predicting rows against (id, label) targets; return rows' steps and the loss.

    Scores are all taken first; then the target rows are changed.
    """
    gradients, loss = [], 0.0
    for row in rows:
        scores = [float(row @ output_rows[target]) for target, _ in targets]
        gradients.append(
            [learning_rate * (y - 1 / (1 + math.exp(-s))) for s, (_, y) in zip(scores, targets, strict=True)]
        )
        loss += sum(math.log1p(math.exp(-s if y else s)) for s, (_, y) in zip(scores, targets, strict=True))
    steps = [np.zeros_like(row) for row in rows]
    for k, (target, _) in enumerate(targets):
        old = output_rows[target].copy()
        for j, row in enumerate(rows):
            steps[j] += gradients[j][k] * old
            output_rows[target] += gradients[j][k] * row
    return steps, loss


def target_blocks(center, negatives):
    """Return the targets of a window, six at a time; negatives that are the center are left out."""
    numbered = [(center, 1), *[(negative, 0) for negative in negatives]]
    blocks = [numbered[i : i + 6] for i in range(0, len(numbered), 6)]
    return [[target for target in block if target[1] or target[0] != center] for block in blocks]


def step_with_contexts(input_rows, output_rows, contexts, targets, learning_rate):
    """Take the steps of context rows, by fours, then twos, then one, against targets; return the loss."""
    rest, loss = list(contexts), 0.0
    while rest:
        size = 4 if len(rest) >= 4 else 2 if len(rest) >= 2 else 1
        group, rest = rest[:size], rest[size:]
        before = [input_rows[i].copy() for i in group]
        steps, cost = predict(before, targets, output_rows, learning_rate)
        loss += cost
        for i, row, step in zip(group, before, steps, strict=True):
            input_rows[i] = row + step
    return loss


def train_skipgram(input_rows, output_rows, drawn_windows, learning_rate):
    """Return (pairs, loss): context rows by fours, then twos, then one, each against six targets at a time."""
    pairs, loss = 0, 0.0
    for center, contexts, negatives in drawn_windows:
        pairs += len(contexts)
        for targets in target_blocks(center, negatives):
            loss += step_with_contexts(input_rows, output_rows, contexts, targets, learning_rate)
    return pairs, loss


def train_cbow(input_rows, output_rows, drawn_windows, learning_rate, *, divide_gradient):
    """Return (predictions, loss): the mean of the context rows against six targets at a time."""
    predictions, loss = 0, 0.0
    for center, contexts, negatives in drawn_windows:
        if not contexts:
            continue
        predictions += 1
        mean = np.mean([input_rows[i] for i in contexts], axis=0)
        for targets in target_blocks(center, negatives):
            (step,), cost = predict([mean], targets, output_rows, learning_rate)
            loss += cost
            for i in contexts:
                input_rows[i] += step / len(contexts) if divide_gradient else step
    return predictions, loss


# --- merging --------------------------------------------------------------------------------------------------------


def as_float(half):
    """Return the number whose upper 16 bits are these."""
    return np.array([int(half) << 16], np.uint32).view(np.float32)[0]


def add_changes(rows, agreed, which, share, sent, total):
    for m, row in enumerate(which):
        for i in range(rows.shape[1]):
            change = share[m] * as_float(total[m, i])
            agreed[row, i] += change
            rows[row, i] += change - as_float(sent[m, i])


# --- co-occurrence -------------------------------------------------------------------------------------------------


def cooccurrences(sequences, window, *, context="symmetric", harmonic=True):
    """Return {(row, column): weight} of all pairs of positions at most ``window`` apart."""
    cells = Counter()
    for ids in sequences:
        for (i, row), (j, column) in itertools.permutations(enumerate(ids), 2):
            if abs(i - j) <= window and context in ("symmetric", "right" if j > i else "left"):
                cells[row, column] += Fraction(1, abs(i - j)) if harmonic else 1
    return {pair: float(weight) for pair, weight in cells.items()}


# --- text ----------------------------------------------------------------------------------------------------------


def tokenise(text, rules):
    """Return the tokens of a text without addresses, character by character."""
    if rules.tokenizer == "jamo":
        return [decompose(word) for word in tokenise(text, dataclasses.replace(rules, tokenizer="words"))]
    if rules.lowercase:
        # Letter for letter: the one letter with a lower case of two code points, İ, gives the first of them.
        text = "".join(character.lower()[0] for character in text)
    text = change_digits(unicodedata.normalize("NFC", text.replace("\u00ad", "")), rules.digits)
    language = rules.language
    if rules.tokenizer == "whitespace":
        return text.split()
    if language == "en":
        text = "".join("'" if character in "\u2019\u02bc\uff07" else character for character in text)
    if rules.tokenizer == "punctuated":
        return words_and_marks(text, apostrophes=language == "en")
    word = ["".join(run) for is_word, run in itertools.groupby(text, is_in_word) if is_word or language == "en"]
    return join_at_apostrophes(word) if language == "en" else word


def words_and_marks(text, *, apostrophes):
    """Return words, and each other character that is no white space; "'" between two letters is part of a word."""
    parts = [False, *map(is_in_word, text), False]
    inner = [c == "'" and apostrophes and before and after for c, before, after in zip(text, parts, parts[2:])]  # noqa: B905
    spaced = [c if part or within else f" {c} " for c, part, within in zip(text, parts[1:], inner)]  # noqa: B905
    return "".join(spaced).split()


def change_digits(text, digits):
    """Return a text with 0 for every digit, or with English words for 0 to 9."""
    if digits == "zero":
        return "".join("0" if unicodedata.category(character) == "Nd" else character for character in text)
    if digits == "spell":
        names = {digit: unicodedata.name(digit).removeprefix("DIGIT ").lower() for digit in "0123456789"}
        return "".join(f" {names[character]} " if character in names else character for character in text)
    return text


def decompose(word):
    """Return a word without hyphens, its syllables as letters by their Unicode names."""
    letters = []
    for character, following in zip(word, word[1:] + " ", strict=False):
        parts = unicodedata.normalize("NFD", character) if "가" <= character <= "힣" else ""
        letters += [letter_of(part) for part in parts] or [character]
        # No final consonant; or a consonant by itself before a vowel by itself.
        if len(parts) == 2 or ("ㄱ" <= character <= "ㅎ" and "ㅏ" <= following <= "ㅣ" and is_initial(character)):
            letters.append("-")
    return "".join(letters)


def letter_of(part):
    """Return the letter that people type for a part of a syllable."""
    kind, name = unicodedata.name(part).removeprefix("HANGUL ").split(" ")
    assert kind in {"CHOSEONG", "JUNGSEONG", "JONGSEONG"}
    return unicodedata.lookup(f"HANGUL LETTER {name}")


def is_initial(consonant):
    return consonant not in "ㄳㄵㄶㄺㄻㄼㄽㄾㄿㅀㅄ"


def is_in_word(character):
    return unicodedata.category(character)[0] in "LMN"


def join_at_apostrophes(runs):
    """Return the words among alternating runs of word characters and others; "'" between two joins them."""
    words, joined = [], False
    for run in runs:
        if is_in_word(run[0]):
            words[-1:] = [words[-1] + "'" + run] if joined else [*words[-1:], run]
            joined = False
        else:
            joined = run == "'" and bool(words)
    return words


def cut(tokens, max_tokens):
    """Return the tokens in pieces of so many."""
    return [tokens[i : i + max_tokens] for i in range(0, len(tokens), max_tokens)]


def subword_buckets(word, min_n, max_n, buckets):
    """Return the buckets of a word's n-grams, n-gram by n-gram."""
    if word == "</s>":
        return []
    marked = f"<{word}>"
    places = [(i, n) for i in range(len(marked)) for n in range(min_n, max_n + 1) if i + n <= len(marked)]
    ngrams = [marked[i : i + n] for i, n in places if (i, n) not in {(0, 1), (len(marked) - 1, 1)}]
    return [fnv1a_of_signed_bytes(ngram) % buckets for ngram in ngrams]


def subword_vector(word, own_row, row_of_bucket, rule, pruned):
    """Return the mean of a word's own row, if it has one, and of the rows of its n-grams; None if it has none."""
    buckets = subword_buckets(word, *rule)
    rows = [row_of_bucket.get(bucket) for bucket in buckets] + ([] if own_row is None else [own_row])
    found = [row for row in rows if row is not None]
    if not found:
        return None
    count = len(found) if pruned else len(rows)
    return [sum(numbers) / count for numbers in zip(*found, strict=True)]


def fnv1a_of_signed_bytes(text):
    """Return the 32-bit hash FNV-1a, bytes above 127 taken as negative numbers."""
    state = 2166136261
    for byte in text.encode():
        signed = byte - 256 if byte > 127 else byte
        state = ((state ^ (signed & 0xFFFFFFFF)) * 16777619) & 0xFFFFFFFF
    return state


def word_characters(word):
    """Return the 50 character ids of a word, one after the other."""
    marks = {"<S>": [256], "</S>": [257]}
    spelled = [258, *marks.get(word, word.encode()[:48]), 259]
    return [character + 1 for character in spelled + [260] * (50 - len(spelled))]
