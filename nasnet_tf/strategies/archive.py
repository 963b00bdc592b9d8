"""What a search remembers: points and their rewards, in the order they came; which networks were
tried. Adding costs the same always.
"""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["Archive", "Networks"]


class Archive:
    """A growing history of points of a space of `width` decisions.

    `points` is (n, width) int32 and `rewards` (n,) float64, oldest first: views, so do not keep
    them across an append. `failed` are the points whose trials failed, which have no reward and are
    not among these.
    """

    def __init__(self, width: int):
        self.failed = []
        self._points, self._rewards, self._count = np.empty((0, width), np.int32), np.empty(0), 0

    def __len__(self):
        return self._count

    @property
    def points(self) -> np.ndarray:
        return self._points[: self._count]

    @property
    def rewards(self) -> np.ndarray:
        return self._rewards[: self._count]

    def append(self, point, reward: float) -> None:
        """Adds one point and its reward."""
        if self._count == len(self._points):
            room = 2 * self._count + 16
            self._points = np.resize(self._points, (room, self._points.shape[1]))
            self._rewards = np.resize(self._rewards, room)
        self._points[self._count], self._rewards[self._count] = point, reward
        self._count += 1

    def fail(self, point) -> None:
        """Adds a point whose trial failed."""
        self.failed.append(tuple(point))

    @property
    def tried(self) -> list[tuple[int, ...]]:
        """All points, those that failed after the others."""
        return [*map(tuple, self.points.tolist()), *self.failed]

    def state(self) -> dict[str, np.ndarray]:
        """{"points": ..., "rewards": ..., "failed": ...}, copies."""
        failed = np.array(self.failed, np.int32).reshape(-1, self._points.shape[1])
        return {"points": self.points.copy(), "rewards": self.rewards.copy(), "failed": failed}

    def restore(self, state) -> None:
        """Takes up what `state` gave. Raises ValueError, and changes nothing, if there are not as
        many rewards as points.
        """
        points, rewards = np.array(state["points"], np.int32), np.array(state["rewards"], float)
        failed = np.array(state["failed"] if "failed" in state else points[:0])
        if (
            points.shape != (len(rewards), self._points.shape[1])
            or failed.shape[1:] != points.shape[1:]
        ):
            raise ValueError(
                f"the state has points {points.shape} and rewards {rewards.shape}; there must be"
                f" one reward for each point of {self._points.shape[1]} decisions: restore what"
                " state() gave, whole."
            )
        self._points, self._rewards, self._count = points, rewards, len(rewards)
        self.failed = list(map(tuple, failed.tolist()))


class Networks:
    """A set of networks: points with equal `space.key` are one. Eight bytes of it are kept for
    each.
    """

    def __init__(self, space):
        self.space, self.digests = space, set()

    def __contains__(self, point):
        return self.digest(point) in self.digests

    def add(self, point) -> None:
        """Adds the network of a point."""
        self.digests.add(self.digest(point))

    def digest(self, point) -> int:
        """A number from -2**63 on that stands for the network."""
        return int.from_bytes(
            hashlib.blake2b(self.space.key(point).encode(), digest_size=8).digest(),
            "big",
            signed=True,
        )

    def state(self) -> np.ndarray:
        """The digests, sorted."""
        return np.array(sorted(self.digests), dtype=np.int64)

    def restore(self, state) -> None:
        """Takes up what `state` gave."""
        self.digests = set(state.tolist())
