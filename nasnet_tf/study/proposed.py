"""Trials that a strategy proposes and learns from."""

from __future__ import annotations

import functools
import pathlib
import random
from collections.abc import Callable

from nasnet_tf import strategies
from nasnet_tf.contracts.space import Space
from nasnet_tf.study.head import Head, settings_of, strategy_name
from nasnet_tf.study.lock import FairLock
from nasnet_tf.study.replay import Search, StrategyReplay
from nasnet_tf.study.schema import SpaceSchemas
from nasnet_tf.study.stored import Listener, StoredTrials

__all__ = ["ProposedTrials"]

_EPOCHS = (1, 3, 9)


class ProposedTrials(StoredTrials):
    """The trials of a study and its strategy. Arguments and attributes as of `Study`.

    Args:
        folder: a function, or None.
    """

    def __init__(
        self,
        strategy,
        space: Space | None,
        folder: Callable | None,
        *,
        direction: str,
        objectives: dict[str, str],
        seed: int | None,
        settings: dict | None,
        schemas,
        lease_seconds: float,
        repeats: bool,
        retry_failed: bool,
        listener: Listener | None,
        lag: int | None,
    ):
        make = strategies.get(strategy) if isinstance(strategy, str) else strategy
        settings = dict(settings or {})
        if space is not None and hasattr(make, "check"):
            make.check(space)
        if space is None and schemas is None:
            raise ValueError("a study has nothing to search; give it a space.")
        asked = {"strategy": strategy_name(make), "settings": settings_of(settings)}
        self.data, self.proposer, self.repeats = None, None, repeats
        self.lag, self._ready = lag, 0
        self.seed = random.randrange(1, 10000) if seed is None else seed
        if lag is not None and lag < 1:
            raise ValueError(f"lag is {lag}; give at least 1, or None for none.")
        has_fidelity = getattr(make, "fidelity", False)
        self.epochs = tuple(settings.pop("epochs", _EPOCHS)) if has_fidelity else None
        self._make_strategy = functools.partial(make, **settings)
        # A sign of life never waits for a strategy that computes. Whoever has the other lock never
        # asks for this one.
        self._thinking = FairLock()
        super().__init__(
            space,
            schemas if space is None or schemas else SpaceSchemas(space, self.epochs),
            Head(asked, objectives, any_seed=seed is None),
            folder,
            direction=direction,
            lease_seconds=lease_seconds,
            retry_failed=retry_failed,
            listener=listener,
        )

    def parents(self) -> set[str]:
        """Numbers of the trials whose weights another trial may still begin with, if the space has
        such.
        """
        with self._thinking, self.lock:
            if self._replay is None:
                return set()
            return self._replay.parents([*self.leases.running.values(), *self._queue])

    def propose(self, number: str, replay: StrategyReplay | None = None, running=()) -> dict:
        """{"status", "values"} of what the strategy proposes for a trial. May be asked before any
        trial is begun.
        """
        if replay is None:
            with self._thinking:
                return self.propose(number, *self._learned())
        begun = len(self.history.begun)
        values = replay.propose(int(number) if number.isdecimal() else begun, running)
        if values is not None:
            return {"status": "RUNNING", "values": values}
        if self.exhausted is None:
            self.exhausted = (
                f"nothing new is left to try: {begun} trials are all that the space has"
            )
            self.listener.exhausted(self.exhausted)
        return {"status": "STOPPED", "values": None}

    def _propose(self, number, replay, running):
        return self.proposer(number) if self.proposer else self.propose(number, replay, running)

    def _learned(self):
        """(the replay, which has learned all trials that ended; numbers of those running). Other
        threads are not kept waiting.
        """
        with self.lock.ahead():
            replay, schema, count, running = self._to_learn()
        replay.learn(schema, count)
        return replay, running

    def _to_learn(self):
        """(the replay, the schema, how many trials it is to learn, numbers of those running)."""
        if self._replay is None:
            search = Search(
                self._make_strategy, self.space, self.epochs, self.seed, self.direction,
                self.repeats,
            )  # fmt: skip
            folder = self._folder and self._folder()
            file = None if folder is None else pathlib.Path(folder) / "strategy.npz"
            order = self.history.start_order if self.lag else self.history.end_order
            self._replay, self._ready = StrategyReplay(search, self.records, order, file), 0
        schema = self.schemas.current()
        if self.lag:
            self._count_ready()
            return self._replay, schema, self._ready, self.history.start_order[self._ready :]
        running = [*self.leases.running.values(), *self._queue]
        return self._replay, schema, self._on_disk, running

    @property
    def _is_behind(self):
        """Whether a trial has not ended that the next proposal learns from."""
        return bool(self.lag) and self._ready < self._wanted

    @property
    def _wanted(self):
        """How many trials the next proposal learns from, if there is a lag."""
        return max(len(self.history.start_order) - self.lag + 1, 0)

    def _count_ready(self):
        """Counts the trials from the first on that have ended, as many as are wanted."""
        history, unwritten = self.history, set(self.history.end_order[self._on_disk :])
        for number in history.start_order[self._ready : self._wanted]:
            if number not in history.ended or number in unwritten:
                break
            self._ready += 1

    def _run_failed_again(self):
        """Queues the trials that had failed for a passing cause when the log was read."""
        again, self._again = self._again, []
        for number in again:
            self._write({"again": number})
            self._forget(number)
        if again:
            self._replay, self._on_disk = None, len(self.history.end_order)
            self._queue = self.history.unfinished()[::-1]
