"""CBOW against gensim 4, with word2vec.c's gradient and learning rate on both sides; our default form beside."""

import harness
from word2vec_contest import contest

if __name__ == "__main__":
    options = harness.arguments(__doc__, rounds=1)
    model = {"type": "cbow", "gradient": "word2vec", "learning_rate": 0.05}
    corrected = {"type": "cbow", "gradient": "corrected", "learning_rate": 0.15}
    contest("cbow", model, rounds=options.rounds, quiet=options.json, beside={"embtrain corrected": corrected})
