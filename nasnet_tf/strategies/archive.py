"""The memory of a search: points and their rewards, in order of observation; the networks that were
tried. Adding to either takes constant time.
"""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["Archive", "Networks"]


class Archive:
    """A growing history of points of a space of `width` decisions.

    `points` is (n, width) int32 and `rewards` (n,) float64, oldest first: views that are valid
    until the next `append`. `failed` are the points of failed trials, which have no reward and are
    not among `points`.
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
        """All points, the failed ones last."""
        return [*map(tuple, self.points.tolist()), *self.failed]

    def state(self) -> dict[str, np.ndarray]:
        """{"points": ..., "rewards": ..., "failed": ...}, copies."""
        failed = np.array(self.failed, np.int32).reshape(-1, self._points.shape[1])
        return {"points": self.points.copy(), "rewards": self.rewards.copy(), "failed": failed}

    def restore(self, state) -> None:
        """Restores what `state` returned. Raises ValueError, and changes nothing, unless there are
        as many rewards as points.
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
    """A set of networks: points with equal `space.key` are one. It stores a digest of eight bytes
    of each key.
    """

    def __init__(self, space):
        self.space, self.digests = space, set()

    def __contains__(self, point):
        return self.digest(point) in self.digests

    def add(self, point) -> None:
        """Adds the network of a point."""
        self.digests.add(self.digest(point))

    def digest(self, point) -> int:
        """A 64-bit signed integer that identifies the network."""
        return int.from_bytes(
            hashlib.blake2b(self.space.key(point).encode(), digest_size=8).digest(),
            "big",
            signed=True,
        )

    def state(self) -> np.ndarray:
        """The digests, sorted."""
        return np.array(sorted(self.digests), dtype=np.int64)

    def restore(self, state) -> None:
        """Restores what `state` returned."""
        self.digests = set(state.tolist())
