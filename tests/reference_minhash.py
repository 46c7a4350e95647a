"""MinHash, slowly and obviously: Python's integers, one shingle and one hash function after the other."""

from embtrain.text.minhash import _BASE, _INCREMENTS, _MULTIPLIERS, NO_HASH, SHINGLE_WORDS

_ALL = 2**64 - 1


def shingles(words):
    """Return the runs of words, as text; what is shorter is one run."""
    runs = [words[at : at + SHINGLE_WORDS] for at in range(max(1, len(words) - SHINGLE_WORDS + 1))]
    return {" ".join(run) for run in runs if run}


def hash_text(text):
    """Hash bytes by a polynomial modulo 2 ** 64, and mix its bits."""
    mixed = sum(byte * int(_BASE) ** at for at, byte in enumerate(text.encode())) & _ALL
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _ALL
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _ALL
    return mixed ^ (mixed >> 31)


def minhash(words):
    """Return the least hash of the shingles under each function."""
    hashes = [hash_text(shingle) for shingle in shingles(words)]
    functions = zip(_MULTIPLIERS.tolist(), _INCREMENTS.tolist(), strict=True)
    return [min(((a * h + b & _ALL) >> 32 for h in hashes), default=NO_HASH) for a, b in functions]
