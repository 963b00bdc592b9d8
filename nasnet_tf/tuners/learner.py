"""A strategy among the trials of an oracle: what it is told, which trials are twins, and the
snapshot from which it goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import os
import time
import zlib

import numpy as np

from nasnet_tf.contracts.fidelity import WithEpochs
from nasnet_tf.tuners.trials import PARENT, Declared, Trials

__all__ = ["SMALL", "Learner"]

_SAVE_EVERY = 50  # trials between two snapshots; what came after is learned again
_SAVE_SHARE = 0.05  # of the time at most goes into snapshots
SMALL = 10_000  # points of a space that can be tried whole
_ATTEMPTS = 5  # at a proposal that is new in such a space; then any point that is new is taken


class Learner:
    """Proposes what to try, after it has learned every trial that ended, in the order they did. One
    thread at a time.

    Args:
        make: makes the strategy from a space and a seed.
        space: a `nasnet_tf.spaces` space that knows which of its points are the same network, or
            None. It counts as long as the hypermodel has the same choices.
        epochs: what the strategy may choose from if it decides how long a trial is trained; else
            None.
        trials, ended: the oracle's own, which grow: the trials, and the numbers of those that ended
            in their order.
        direction: "max" or "min", of the scores.
        file: where snapshots of the strategy are kept; None keeps none.
        repeats: whether a network that was tried may be proposed again in a space so small that all
            of it can be tried.
    """

    def __init__(
        self,
        make,
        space,
        epochs,
        seed: int,
        trials: Trials,
        ended: list[str],
        direction: str,
        file,
        repeats=False,
    ):
        self._make, self._space, self._epochs, self._seed = make, space, epochs, seed
        self._trials, self._ended, self._direction, self._file, self._repeats = (
            trials,
            ended,
            direction,
            file,
            repeats,
        )
        self.declared = self.strategy = None
        self._choices = self._proposed = None
        self._forget()
        self._snapshot = -math.inf, 0.0  # when the last one was written, how long that took

    def _forget(self):
        self._keys = {}  # key of each network that was trained: its trial
        self._tried = set()  # keys of all trials that ended, also of those that failed
        self._remembered = 0  # how many ended trials are in these two
        self._history = 0  # checksum of what was learned
        self._order, self._place = (
            None,
            0,
        )  # the points of a small space in random order, and how many of them are known to be tried

    def learn(self, declared: Declared, count: int) -> None:
        """Makes the strategy for the choices as they are declared now, and lets it learn the first
        `count` trials that ended.
        """
        if declared is not self.declared:
            self._declare(declared)
        for number in self._ended[self.strategy.observed : count]:
            self.strategy.observe(self._point(number), self._reward(number))
            self._history = self._summed([number], self._history)
            if self.strategy.observed % _SAVE_EVERY == 0:
                self._save()
        for number in self._ended[self._remembered : count]:
            key = self._key(number)
            self._tried.add(key)
            if self._reward(number) is not None:
                self._keys.setdefault(key, number)
        self._remembered = max(self._remembered, count)

    def propose(self, number: int, running) -> dict | None:
        """{name: value} of the trial of that number, while those with the numbers `running` have
        not ended.

        None if the space is small and all that the strategy allows of it has been tried or is
        running.
        """
        point = self._next_point(
            number,
            [self._point(other) for other in running],
            {self._key(other) for other in running},
        )
        if point is None:
            return None
        parent = self._choices.parent(point)
        trained = None if parent is None else self._keys.get(_digest(parent))
        self._proposed = self.declared.values(point) | (
            {} if trained is None else {PARENT: trained}
        )
        return self._proposed

    def _next_point(self, number, pending, taken):
        if self._repeats or not self._choices.decisions or self._choices.size > SMALL:
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
        size = self._choices.size
        if self._order is None:
            self._order = np.random.default_rng(
                np.random.SeedSequence(self._seed, spawn_key=(5,))
            ).permutation(size)
        for place in range(self._place, size):
            point = tuple(map(int, np.unravel_index(self._order[place], self._choices.sizes)))
            key = self._key_proposed(point)
            if key in self._tried or not self.strategy.allows(point):
                self._place += self._place == place
            elif key not in taken:
                return point
        return None

    def _key_proposed(self, point):
        """The key of the trial that would begin with this point."""
        return self._key_of(self.declared.point(self.declared.values(point)))

    def begin(self, number: str, values: dict) -> dict:
        """The record of a trial that begins with these values, its own or somebody else's."""
        record = {
            "begin": number,
            "point": list(self.declared.proposed(values)),
            "key": self._key_of(self.declared.point(values)),
        }
        own = values is self._proposed or values == self.declared.values(record["point"])
        record |= {"parent": values[PARENT]} if PARENT in values else {}
        return record if own else record | {"values": values}

    def twin(self, number: str) -> str | None:
        """The number of the trial that has trained the same network already, if any."""
        return self._keys.get(self._key(number))

    def parents(self, unfinished) -> set[str]:
        """Numbers of the trials whose weights may still be needed: by the trials `unfinished`, or
        by proposals to come.
        """
        begun = {
            parent for number in unfinished for parent in self._trials.parent_of(number).values()
        }
        new = set(self._ended[self.strategy.observed :])
        return (
            begun
            | new
            | {
                self._keys[key]
                for key in map(self._key_of, self.strategy.parents())
                if key in self._keys
            }
        )

    def _declare(self, declared):
        before, self.declared = self.declared, declared
        if before is not None and before.choices.decisions == declared.choices.decisions:
            return
        known = self._space is not None and self._space.decisions == declared.free.decisions
        space = (
            self._space if known else declared.free
        )  # the hypermodel may have more to choose than the space knows
        self._choices = space if self._epochs is None else WithEpochs(space, self._epochs)
        self.strategy = self._make(self._choices, self._seed)
        self._forget()
        self._restore()

    def _reward(self, number):
        """What to maximise; None for a failed trial."""
        score = self._trials.score(number)
        return score if score is None or self._direction == "max" else -score

    def _point(self, number):
        """What the strategy proposed."""
        declared, point, _, values = self._trials.began(number)
        if values is None and self._is_current(declared):
            return point
        return self.declared.proposed(values or declared.values(point))

    def _key(self, number):
        """Trials with equal keys train the same network."""
        declared, point, key, values = self._trials.began(number)
        return (
            key
            if key and self._is_current(declared)
            else self._key_of(self.declared.point(values or declared.values(point)))
        )

    def _is_current(self, declared):
        return (
            declared is self.declared
            or declared.choices.decisions == self.declared.choices.decisions
        )

    def _key_of(self, point):
        return _digest(self._choices.key(point))

    def _save(self):
        """Writes a snapshot, unless snapshots would take more than their share of the time."""
        now, (last, took) = time.monotonic(), self._snapshot
        if self._file is None or now - last < took / _SAVE_SHARE:
            return
        content = io.BytesIO()
        np.savez(content, history=self._history, **self.strategy.state())
        content = content.getvalue()
        temporary = self._file.with_name(f".{self._file.name}")
        with contextlib.suppress(OSError):  # what is not saved is learned again
            temporary.write_bytes(content + _checksum(content))
            os.replace(temporary, self._file)
        self._snapshot = time.monotonic(), time.monotonic() - now

    def _restore(self):
        """From the snapshot, if it is whole and of these trials; else everything is learned
        again.
        """
        if self._file is None:
            return
        with contextlib.suppress(OSError, ValueError, KeyError):
            content = self._file.read_bytes()
            if _checksum(content[:-8]) != content[-8:]:
                return
            with np.load(io.BytesIO(content), allow_pickle=False) as saved:
                state = dict(saved)
            learned, history = self._ended[: int(state["observed"])], int(state.pop("history"))
            if len(learned) == state["observed"] and self._summed(learned, 0) == history:
                self.strategy.restore(state)
                self._history = history

    def _summed(self, numbers, history):
        """Checksum of the rewards that were learned, further ones added to those before."""
        for number in numbers:
            history = zlib.crc32(f"{number} {self._reward(number)}".encode(), history)
        return history


def _digest(key):
    return hashlib.blake2b(key.encode(), digest_size=8).hexdigest()


def _checksum(content):
    return b"%08x" % zlib.crc32(content)
