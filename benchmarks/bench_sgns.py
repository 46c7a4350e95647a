"""Skip-gram with negative sampling against gensim 4: corpus words per second, quality, memory."""

import harness
from word2vec_contest import contest

if __name__ == "__main__":
    options = harness.arguments(__doc__, rounds=1)
    contest("sgns", {"type": "sgns", "learning_rate": 0.025}, rounds=options.rounds, quiet=options.json)
