"""A strategy among the trials of a study: what it learns, which trials are duplicates, and the
snapshot from which it goes on.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
import pathlib
import threading
import time
import zlib
from typing import NamedTuple

import numpy as np
import threadpoolctl

from nasnet_tf.contracts.fidelity import WithEpochs
from nasnet_tf.contracts.space import Space
from nasnet_tf.snapshot import read_snapshot, write_snapshot
from nasnet_tf.strategies import Strategy
from nasnet_tf.study.records import PARENT, Records
from nasnet_tf.study.schema import SearchSchema

__all__ = ["SMALL", "Search", "StrategyReplay"]

_SAVE_EVERY = 50  # trials between two snapshots; what came after is learned again
_SAVE_SHARE = 0.05  # of the time at most goes into snapshots
SMALL = 10_000  # points of a space that can be tried whole
_ATTEMPTS = 5  # at a proposal that is new in such a space; then any point that is new is taken


class Search(NamedTuple):
    """What a strategy is to search, and how.

    Args:
        make: makes the strategy from a space and a seed.
        space: a space that knows which of its points are the same network, or None. It counts as
            long as its decisions are those that are declared.
        epochs: what the strategy may choose from if it decides how long a trial is trained.
        seed: of the strategy.
        direction: "max" or "min", of the scores.
        repeats: whether a network that was tried may be proposed again in a space so small that all
            of it can be tried.
    """

    make: object
    space: Space | None
    epochs: tuple[int, ...] | None
    seed: int
    direction: str
    repeats: bool


class StrategyReplay:
    """Proposes what to try, after it has learned every trial that ended, in the order they did. One
    thread at a time.

    Args:
        search: what is searched.
        records: the study's own, which grow.
        ended: the numbers of the trials that ended, in their order; grows too.
        file: where snapshots of the strategy are kept; None keeps none.
    """

    def __init__(
        self, search: Search, records: Records, ended: list[str], file: pathlib.Path | None
    ):
        self._search, self._records, self._ended, self._file = search, records, ended, file
        self.schema: SearchSchema = None  # type: ignore[assignment]  # until it learns
        self.strategy: Strategy = None  # type: ignore[assignment]
        self._space: Space = None  # type: ignore[assignment]
        self._proposed: dict | None = None
        self._forget()
        self._saved, self._save_took = -math.inf, 0.0

    def _forget(self):
        self._trained = {}  # key of each network that was trained: its trial
        self._tried = set()  # keys of all trials that ended, also of those that failed
        self._remembered = 0  # how many ended trials are in these two
        self._learned = 0  # checksum of what was learned
        self._order = None  # the points of a small space in random order
        self._place = 0  # how many of them are known to be tried

    def learn(self, schema: SearchSchema, count: int) -> None:
        """Makes the strategy for the schema as it is now, and lets it learn the first `count`
        trials that ended.
        """
        if schema is not self.schema:
            self._declare(schema)
        with _ONE_THREAD:
            for number in self._ended[self.strategy.observed : count]:
                self.strategy.observe(self._point(number), self._reward(number))
                self._learned = self._checksum([number], self._learned)
                if self.strategy.observed % _SAVE_EVERY == 0:
                    self._save()
        for number in self._ended[self._remembered : count]:
            key = self._key(number)
            self._tried.add(key)
            if self._reward(number) is not None:
                self._trained.setdefault(key, number)
        self._remembered = max(self._remembered, count)

    def propose(self, number: int, running) -> dict | None:
        """{name: value} of the trial of that number, while those with the numbers `running` have
        not ended.

        None if the space is small and all that the strategy allows of it has been tried or is
        running.
        """
        pending = [self._point(other) for other in running]
        with _ONE_THREAD:
            point = self._next_point(number, pending, {self._key(other) for other in running})
        if point is None:
            return None
        parent = self._space.parent(point)
        trained = None if parent is None else self._trained.get(_digest(parent))
        inherited = {} if trained is None else {PARENT: trained}
        self._proposed = self.schema.values(point) | inherited
        return self._proposed

    def _next_point(self, number, pending, taken):
        space = self._space
        if self._search.repeats or not space.decisions or space.size > SMALL:
            return self.strategy.propose(number, pending)
        for attempt in range(_ATTEMPTS):
            try:
                point = self.strategy.propose(number, pending, attempt)
            except ValueError:  # nothing else is allowed
                if not attempt:
                    raise
                break
            key = self._key_proposed(point)
            if key not in self._tried and key not in taken:
                return point
        return self._untried(taken)

    def _untried(self, taken):
        """The first point, in random order, of a network that is neither tried nor taken; None if
        there is none.
        """
        size = self._space.size
        if self._order is None:
            seed = np.random.SeedSequence(self._search.seed, spawn_key=(5,))
            self._order = np.random.default_rng(seed).permutation(size)
        for place in range(self._place, size):
            point = tuple(map(int, np.unravel_index(self._order[place], self._space.sizes)))
            key = self._key_proposed(point)
            if key in self._tried or not self.strategy.allows(point):
                self._place += self._place == place
            elif key not in taken:
                return point
        return None

    def _key_proposed(self, point):
        """The key of the trial that would begin with this point."""
        return self._key_of(self.schema.point(self.schema.values(point)))

    def begin(self, number: str, values: dict) -> dict:
        """The record of a trial that begins with these values, its own or somebody else's."""
        point = list(self.schema.proposed(values))
        record = {"begin": number, "point": point, "key": self._key_of(self.schema.point(values))}
        if PARENT in values:
            record["parent"] = values[PARENT]
        own = values is self._proposed or values == self.schema.values(point)
        return record if own else record | {"values": values}

    def duplicate_of(self, number: str) -> str | None:
        """The number of the trial that has trained the same network already, if any."""
        return self._trained.get(self._key(number))

    def parents(self, unfinished) -> set[str]:
        """Numbers of the trials whose weights may still be needed: by the trials `unfinished`, or
        by proposals to come.
        """
        begun = {
            parent for number in unfinished for parent in self._records.parent_of(number).values()
        }
        new = set(self._ended[self.strategy.observed :])
        keys = map(self._key_of, self.strategy.parents())
        return begun | new | {self._trained[key] for key in keys if key in self._trained}

    def _declare(self, schema):
        before, self.schema = self.schema, schema
        if before is not None and before.choices.decisions == schema.choices.decisions:
            return
        space, epochs = self._search.space, self._search.epochs
        if space is None or space.decisions != schema.free.decisions:
            space = schema.free  # there may be more to choose than the space knows
        self._space = space if epochs is None else WithEpochs(space, epochs)
        self.strategy = self._search.make(self._space, self._search.seed)
        self._forget()
        self._restore()

    def _reward(self, number):
        """What to maximise; None for a failed trial."""
        score = self._records.score(number)
        return score if score is None or self._search.direction == "max" else -score

    def _point(self, number):
        """What the strategy proposed."""
        begin, schema = self._records.begin(number), self._records.schema(number)
        if begin.values is None and self._is_current(schema):
            return begin.point
        return self.schema.proposed(begin.values or schema.values(begin.point))

    def _key(self, number):
        """Trials with equal keys train the same network."""
        begin, schema = self._records.begin(number), self._records.schema(number)
        if begin.key and self._is_current(schema):
            return begin.key
        return self._key_of(self.schema.point(begin.values or schema.values(begin.point)))

    def _is_current(self, schema):
        return schema is self.schema or schema.choices.decisions == self.schema.choices.decisions

    def _key_of(self, point):
        return _digest(self._space.key(point))

    def _save(self):
        """Writes a snapshot, unless snapshots would take more than their share of the time."""
        now = time.monotonic()
        if self._file is None or now - self._saved < self._save_took / _SAVE_SHARE:
            return
        with contextlib.suppress(OSError):  # what is not saved is learned again
            write_snapshot(self._file, self.strategy.state(), history=self._learned)
        self._saved = time.monotonic()
        self._save_took = self._saved - now

    def _restore(self):
        """From the snapshot, if it is whole and of these trials; else everything is learned
        again.
        """
        if self._file is None:
            return
        with contextlib.suppress(OSError, ValueError, KeyError):
            state, facts = read_snapshot(self._file, ["history"])
            learned, checksum = self._ended[: int(state["observed"])], facts["history"]
            if len(learned) == state["observed"] and self._checksum(learned, 0) == checksum:
                self.strategy.restore(state)
                self._learned = checksum

    def _checksum(self, numbers, before):
        """Of the rewards that were learned, further ones added to those before."""
        for number in numbers:
            before = zlib.crc32(f"{number} {self._reward(number)}".encode(), before)
        return before


class _OneThread:
    """NumPy multiplies on one thread: the matrices of strategies are small, and the other cores
    train children. That holds for the process, so the last of those within gives back what there
    was before the first.
    """

    def __init__(self):
        self._lock, self._within, self._limit = threading.Lock(), 0, None

    def __enter__(self):
        with self._lock:
            if not self._within:
                self._limit = _libraries().limit(limits=1, user_api="blas")
            self._within += 1

    def __exit__(self, *_):
        with self._lock:
            self._within -= 1
            if not self._within:
                self._limit.restore_original_limits()


@functools.cache
def _libraries():
    return threadpoolctl.ThreadpoolController()


_ONE_THREAD = _OneThread()


def _digest(key):
    return hashlib.blake2b(key.encode(), digest_size=8).hexdigest()
