"""A strategy among the trials of an oracle: what it is told, which trials are twins, and the snapshot from which it goes on."""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import os
import pathlib
import time
import zlib

import numpy as np

from nasnet_tf.spaces import WithEpochs
from nasnet_tf.tuners.trials import PARENT, Declared, Trials

__all__ = ["Learner"]

_SAVE_EVERY = 50  # trials between two snapshots; what came after is learned again
_SAVE_SHARE = 0.05  # of the time at most goes into snapshots


class Learner:
    """Proposes what to try, after it has learned every trial that ended, in the order they did.

    Args:
        make: makes the strategy from a space and a seed.
        space: a `nasnet_tf.spaces` space that knows which of its points are the same network, or None. It counts as long as the
            hypermodel has the same choices.
        epochs: what the strategy may choose from if it decides how long a trial is trained; else None.
        trials, ended: the oracle's own, which grow: the trials, and the numbers of those that ended in their order.
        direction: "max" or "min", of the scores.
        file: where snapshots of the strategy are kept.
    """

    def __init__(self, make, space, epochs, seed: int, trials: Trials, ended: list[str], direction: str, file: pathlib.Path):
        self._make, self._space, self._epochs, self._seed = make, space, epochs, seed
        self._trials, self._ended, self._direction, self._file = trials, ended, direction, file
        self.declared = self.strategy = None
        self._choices = self._proposed = None
        self._keys, self._remembered = {}, 0  # key of each network that was trained: its trial; how many ended trials are among them
        self._history, self._snapshot = 0, (-math.inf, 0.0)  # checksum of what was learned; when the last snapshot was written, how long

    @property
    def behind(self) -> bool:
        """Whether a trial has ended that the strategy has not learned."""
        return self.strategy is None or self.strategy.observed < len(self._ended)

    def learn(self, hyperparameters) -> None:
        """Makes the strategy for the choices as they are now, and lets it learn every ended trial it has not."""
        if self.declared is None or len(self.declared.space) != len(hyperparameters.space):
            self._declare(Declared(hyperparameters, self._epochs, self._space))
        for number in self._ended[self.strategy.observed :]:
            self.strategy.observe(self._point(number), self._reward(number))
            self._history = self._summed([number], self._history)
            if self.strategy.observed % _SAVE_EVERY == 0:
                self._save()
        for number in self._ended[self._remembered :]:
            if self._reward(number) is not None:
                self._keys.setdefault(self._key(number), number)
        self._remembered = len(self._ended)

    def propose(self, number: str, running) -> dict:
        """{name: value} of the trial of that number, while those with the numbers `running` have not ended."""
        point = self.strategy.propose(int(number), [self._point(other) for other in running])
        parent = self._choices.parent(point)
        trained = None if parent is None else self._keys.get(_digest(parent))
        self._proposed = self.declared.values(point) | ({} if trained is None else {PARENT: trained})
        return self._proposed

    def begin(self, number: str, values: dict) -> dict:
        """The record of a trial that begins with these values, its own or somebody else's."""
        record = {"begin": number, "point": self.declared.proposed(values), "key": self._key_of(self.declared.point(values))}
        own = values is self._proposed or values == self.declared.values(record["point"])
        record |= {"parent": values[PARENT]} if PARENT in values else {}
        return record if own else record | {"values": values}

    def twin(self, number: str) -> str | None:
        """The number of the trial that has trained the same network already, if any."""
        return self._keys.get(self._key(number))

    def parents(self, unfinished) -> set[str]:
        """Numbers of the trials whose weights may still be needed: by the trials `unfinished`, or by proposals to come."""
        begun = {parent for number in unfinished for parent in self._trials.parent_of(number).values()}
        new = set(self._ended[self.strategy.observed :])
        return begun | new | {self._keys[key] for key in map(self._key_of, self.strategy.parents()) if key in self._keys}

    def _declare(self, declared):
        before, self.declared = self.declared, declared
        if before is not None and before.choices.decisions == declared.choices.decisions:
            return
        known = self._space is not None and self._space.decisions == declared.free.decisions
        space = self._space if known else declared.free  # the hypermodel may have more to choose than the space knows
        self._choices = space if self._epochs is None else WithEpochs(space, self._epochs)
        self.strategy = self._make(self._choices, self._seed)
        self._keys, self._remembered, self._history = {}, 0, 0
        self._restore()

    def _reward(self, number):
        """What to maximise; None for a failed trial."""
        score = self._trials.score(number)
        if score is None or not math.isfinite(score):
            return None
        return score if self._direction == "max" else -score

    def _point(self, number):
        """What the strategy proposed."""
        declared, point, _, values = self._trials.began(number)
        if values is None and self._is_current(declared):
            return point
        return self.declared.proposed(values or declared.values(point))

    def _key(self, number):
        """Trials with equal keys train the same network."""
        declared, point, key, values = self._trials.began(number)
        return key if self._is_current(declared) else self._key_of(self.declared.point(values or declared.values(point)))

    def _is_current(self, declared):
        return declared is self.declared or declared.choices.decisions == self.declared.choices.decisions

    def _key_of(self, point):
        return _digest(self._choices.key(point))

    def _save(self):
        """Writes a snapshot, unless snapshots would take more than their share of the time."""
        now, (last, took) = time.monotonic(), self._snapshot
        if now - last < took / _SAVE_SHARE:
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
        """From the snapshot, if it is whole and of these trials; else everything is learned again."""
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
