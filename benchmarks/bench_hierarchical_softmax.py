"""Skip-gram with hierarchical softmax against gensim 4: corpus words per second, quality; our CBOW with it beside."""

import harness
from word2vec_contest import contest

if __name__ == "__main__":
    options = harness.arguments(__doc__, rounds=1)
    model = {"type": "sgns", "objective": "hierarchical_softmax", "learning_rate": 0.025}
    cbow = {"type": "cbow", "objective": "hierarchical_softmax"}
    contest("hierarchical_softmax", model, rounds=options.rounds, quiet=options.json, beside={"embtrain CBOW": cbow})
