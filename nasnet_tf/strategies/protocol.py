"""What every search algorithm is: ask and tell, seeded, asynchronous, resumable. Pure NumPy;
nothing blocks or reads a clock.
"""

from __future__ import annotations

import json
import math
from operator import index

import numpy as np

from nasnet_tf.contracts.categorical import CategoricalSpace
from nasnet_tf.contracts.space import Space

__all__ = ["Strategy", "as_space"]


def as_space(space) -> Space:
    """The space itself, or one of decisions with so many options each."""
    return space if isinstance(space, Space) else CategoricalSpace.of_sizes(space)


class Strategy:
    """Proposes points of a space, and learns from their rewards.

    A point of a space of decisions is a tuple of integers, an index into each decision's options; a
    strategy that is `open` looks into none. Any number of proposals may be out before a reward
    comes back, in any order; how the two interleave is the caller's.

    Args:
        space: a `nasnet_tf.spaces.Space`, or just the number of options of each decision.
        seed: whole number from 0 to 2**63 - 1; 0 is a seed like any other.
    """

    name = ""  # in the state, so that one strategy refuses another's
    fidelity = False  # whether the last decision of its space is how long a point is trained
    open = (
        False  # whether it searches spaces without decisions too: it only draws and changes points
    )

    def __init__(self, space, seed: int = 0):
        self.space = as_space(space)
        self.check(self.space)
        self.sizes = self.space.sizes
        self.seed = index(seed)
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed is {self.seed}; give a whole number from 0 to 2**63 - 1.")
        self.observed = 0
        self.lowest = math.nan  # of the rewards seen; NaN before the first

    @classmethod
    def check(cls, space: Space) -> None:
        """Raises ValueError if it cannot search the space."""
        if not (cls.open or space.decisions):
            raise ValueError(
                f"{cls.name} needs a space of fixed decisions, which {type(space).__name__} is not;"
                " take pairwise-evolution."
            )

    def propose(self, number: int, pending=(), attempt: int = 0) -> tuple[int, ...]:
        """Proposal `number`, 0, 1, ...: a function of the arguments, the seed and what was observed
        before. Changes nothing.

        Args:
            pending: points that were proposed and whose reward is not known yet. A strategy may
                avoid them.
            attempt: 1, 2, ... ask for other answers to the same question, because the ones before
                were turned down.
        """
        raise NotImplementedError

    def observe(self, choices, reward: float | None) -> None:
        """Learns the reward, to be maximised, of a point. None, NaN and infinities are failed
        trials.

        No reward stands for a failed trial: nobody knows whether a number is a good one before
        others are known. What a strategy learns of it is that it was tried; a controller also makes
        it less likely, once there are rewards to compare it with. Raises ValueError if `choices` is
        no point of the space.
        """
        choices = self._checked(choices)
        self.observed += 1
        if reward is None or not math.isfinite(reward):
            self._fail(choices)
            return
        reward = float(reward)
        self.lowest = reward if math.isnan(self.lowest) else min(self.lowest, reward)
        self._learn(choices, reward)

    def state(self) -> dict[str, np.ndarray]:
        """All that later proposals depend on, as plain arrays that `numpy.savez` writes without
        pickle. A copy.
        """
        head = {
            "strategy": self.name,
            "sizes": self.sizes,
            "seed": self.seed,
            "observed": self.observed,
            "lowest": self.lowest,
        }
        return {key: np.array(value) for key, value in (head | self._memory()).items()}

    def restore(self, state) -> None:
        """Takes up a state that `state()` gave; from there on the search is the same to the bit.

        Settings such as the learning rate are the caller's and are not in the state. Raises
        ValueError, and changes nothing, if the state is of another strategy, space or seed, or is
        not whole.
        """
        mine = self.state()
        for key in ("strategy", "sizes", "seed"):
            if key in state and not np.array_equal(mine[key], state[key]):
                got, right = np.asarray(state[key]).tolist(), mine[key].tolist()
                raise ValueError(
                    f"the state has {key} {got!r}, this search {right!r}; start the search that"
                    " wrote it."
                )
        wrong = sorted(set(mine) ^ set(state))
        if wrong:
            raise ValueError(
                f"the state lacks or has too much: {', '.join(wrong)}; restore what state() gave,"
                " whole."
            )
        state = {key: np.array(state[key]) for key in mine}
        for key, value in state.items():
            if (value.dtype.kind, value.ndim, value.shape[1:]) != (
                mine[key].dtype.kind,
                mine[key].ndim,
                mine[key].shape[1:],
            ):
                got, right = f"{value.dtype} {value.shape}", f"{mine[key].dtype} {mine[key].shape}"
                raise ValueError(
                    f"the state's {key!r} is {got}, this search's {right}; start the search with"
                    " the settings that wrote it."
                )
        self._recall(state)
        self.observed, self.lowest = int(state["observed"]), float(state["lowest"])

    def parents(self) -> list[tuple]:
        """The points of which a later proposal may be a changed copy, if its strategy is `open`."""
        return []

    def allows(self, point) -> bool:
        """Whether it would propose the point at all."""
        return True

    def _learn(self, choices: tuple[int, ...], reward: float) -> None:
        """Learns one reward."""

    def _fail(self, choices: tuple[int, ...]) -> None:
        """Learns that a trial failed."""

    def _memory(self) -> dict:
        """What the algorithm adds to `state()`."""
        return {}

    def _recall(self, state: dict[str, np.ndarray]) -> None:
        """Takes up what `_memory` gave. Must change nothing if it raises."""

    def _rng(self, number: int, attempt: int = 0):
        """The stream of proposal `number`."""
        return np.random.default_rng(
            np.random.SeedSequence(
                self.seed, spawn_key=(1, index(number), *([attempt] if attempt else []))
            )
        )

    def _packed(self, points) -> np.ndarray:
        """Points as an array for the state: a row each, or JSON where there are no decisions."""
        if self.sizes:
            return np.array(points, dtype=np.int64).reshape(-1, len(self.sizes))
        return np.frombuffer(json.dumps(points).encode(), dtype=np.uint8)

    def _unpacked(self, array) -> list[tuple]:
        """The points of `_packed`. Raises ValueError for what is none."""
        return [
            self._checked(point)
            for point in (array.tolist() if self.sizes else json.loads(array.tobytes()))
        ]

    def _checked(self, choices) -> tuple[int, ...]:
        if not self.sizes:
            return self.space.checked(choices)
        choices = tuple(index(choice) for choice in choices)
        if len(choices) != len(self.sizes) or not all(
            0 <= choice < size for choice, size in zip(choices, self.sizes, strict=True)
        ):
            raise ValueError(
                f"{choices} is no point of this space; give {len(self.sizes)} integers from 0, each"
                f" below its size in {self.sizes}."
            )
        return choices
