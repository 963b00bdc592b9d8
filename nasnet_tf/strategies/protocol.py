"""The interface of search algorithms: propose and observe, seeded, asynchronous, resumable. Pure
NumPy; nothing blocks or reads a clock.
"""

from __future__ import annotations

import json
import math
from operator import index

import numpy as np

from nasnet_tf.contracts.categorical import CategoricalSpace
from nasnet_tf.contracts.space import Space
from nasnet_tf.signatures import checked

__all__ = ["Strategy", "as_space"]


def as_space(space) -> Space:
    """The space itself, or one of decisions with so many options each."""
    return space if isinstance(space, Space) else CategoricalSpace.of_sizes(space)


class Strategy:
    """Proposes points of a space, and learns from their rewards.

    A point of a space of decisions is a tuple of integers, an index into the options of each
    decision; a strategy that is `open` does not look inside points. Proposals and rewards may
    interleave in any way: any number of proposals may be pending, and rewards may come in any
    order.

    Args:
        space: a `nasnet_tf.spaces.Space`, or the number of options of each decision.
        seed: whole number from 0 to 2**63 - 1; 0 is a valid seed.
    """

    name = ""  # in the state, so that a strategy refuses the state of another
    fidelity = False  # whether the last decision of its space is how long a point is trained
    open = False  # whether it also searches spaces without decisions: it samples and mutates points
    uses_any_trial = False  # whether it learns as well from trials that it did not propose

    @checked
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
        """Proposal `number`, 0, 1, ...: a function of the arguments, the seed and the observations
        so far. Changes nothing.

        Args:
            pending: points that were proposed and whose reward is not known yet, which a strategy
                may avoid.
            attempt: 1, 2, ... for other proposals of the same number, if the earlier ones were
                rejected.
        """
        raise NotImplementedError

    def observe(self, choices, reward: float | None) -> None:
        """Learns the reward of a point, which is maximised. None, NaN and infinities are failed
        trials.

        A failed trial has no reward, because no number is known to be a bad one before there are
        others. A strategy learns that the point was tried; a controller also makes it less likely,
        once there are rewards to compare it with. Raises ValueError if `choices` is no point of the
        space.
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
        """A copy of everything that later proposals depend on, as arrays that `numpy.savez` writes
        without pickle.
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
        """Restores what `state()` returned; the search then continues exactly as it would have.

        Settings such as the learning rate are not in the state. Raises ValueError, and changes
        nothing, if the state is incomplete or that of another strategy, space or seed.
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
        """The points that later proposals may be mutations of, if the strategy is `open`."""
        return []

    def allows(self, point) -> bool:
        """Whether the strategy may propose the point."""
        return True

    def _learn(self, choices: tuple[int, ...], reward: float) -> None:
        """Learns one reward."""

    def _fail(self, choices: tuple[int, ...]) -> None:
        """Learns that the trial of a point failed."""

    def _memory(self) -> dict:
        """What the subclass adds to `state()`."""
        return {}

    def _recall(self, state: dict[str, np.ndarray]) -> None:
        """Restores what `_memory` returned. Must change nothing if it raises."""

    def _rng(self, number: int, attempt: int = 0):
        """The random generator of proposal `number`."""
        return np.random.default_rng(
            np.random.SeedSequence(
                self.seed, spawn_key=(1, index(number), *([attempt] if attempt else []))
            )
        )

    def _packed(self, points) -> np.ndarray:
        """Points as an array for the state: a row for each, or JSON if there are no decisions."""
        if self.sizes:
            return np.array(points, dtype=np.int64).reshape(-1, len(self.sizes))
        return np.frombuffer(json.dumps(points).encode(), dtype=np.uint8)

    def _unpacked(self, array) -> list[tuple]:
        """The points in an array of `_packed`. Raises ValueError if one is not of the space."""
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
