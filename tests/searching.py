"""What tests of searches share: proposing, scoring and observing in turn."""

import io

import numpy as np


def search(strategy, score, trials, start=0):
    """Proposes, scores and observes one after the other; the proposals."""
    made = []
    for number in range(start, start + trials):
        made.append(strategy.propose(number))
        strategy.observe(made[-1], score(made[-1]))
    return made


def read_again(state):
    """The state of a strategy after a trip through a file."""
    file = io.BytesIO()
    np.savez(file, **state)
    file.seek(0)
    return np.load(file, allow_pickle=False)
