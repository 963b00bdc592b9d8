"""What strategies find in up to 20,000 trials of a made-up landscape, and what a trial costs them.

    python benchmarks/landscape.py [--strategies auto,aging-evolution,local-search,random]
        [--trials 20000] [--seed 0]

50 decisions of 8 options, the same words in each. Each decision adds a normal number for the
options of itself and two others, and one for its option wherever it stands; the sum is divided by
the square root of 50 (an NK landscape, Kauffman & Weinberger 1989, J. of Theoretical Biology 141,
with a trend). Milliseconds are CPU time of proposing and learning, a trial, since the line before.
"""

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from nasnet_tf.spaces import CategoricalSpace, Decision
from nasnet_tf.strategies import get

DECISIONS, OPTIONS, OTHERS = 50, 8, 2
_TOLD = (100, 500, 1000, 2000, 5000, 10_000, 15_000, 20_000)


def landscape(seed):
    """point -> what it is worth."""
    rng = np.random.default_rng(seed)
    everyone = range(DECISIONS)
    groups = np.array(
        [[d, *rng.choice([e for e in everyone if e != d], OTHERS, replace=False)] for d in everyone]
    )
    worth = [rng.normal(size=(OPTIONS,) * (OTHERS + 1)) for _ in everyone]
    anywhere = rng.normal(size=OPTIONS)

    def reward(point):
        point = np.array(point)
        together = sum(
            table[tuple(point[group])] for table, group in zip(worth, groups, strict=True)
        )
        return float(together + anywhere[point].sum()) / DECISIONS**0.5

    return reward


def search(name, trials, seed):
    """Prints the best so far now and then."""
    reward = landscape(seed)
    strategy = get(name)(
        CategoricalSpace(Decision(str(d), tuple("abcdefgh")) for d in range(DECISIONS)), seed
    )
    best, spent, before = -np.inf, 0.0, 0
    for number in range(trials):
        began = time.process_time()
        point = strategy.propose(number)
        spent += time.process_time() - began
        value = reward(point)
        began = time.process_time()
        strategy.observe(point, value)
        spent += time.process_time() - began
        best = max(best, value)
        if number + 1 in _TOLD or number + 1 == trials:
            print(
                f"{name}, {number + 1} trials: best {best:.2f},"
                f" {1000 * spent / (number + 1 - before):.2f} ms a trial",
                flush=True,
            )
            spent, before = 0.0, number + 1


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strategies", default="auto,aging-evolution,local-search,random")
    parser.add_argument("--trials", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for name in given.strategies.split(","):
        search(name, given.trials, given.seed)


if __name__ == "__main__":
    main()
