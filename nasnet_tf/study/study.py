"""A search as a fact: it says what to try next, and takes what came out, whole, to disk before the
strategy learns from it. Knows nothing of how trials are trained.
"""

from __future__ import annotations

import math
import time
from typing import NamedTuple

from nasnet_tf.contracts.space import Space
from nasnet_tf.study.leases import LEASED
from nasnet_tf.study.proposed import ProposedTrials
from nasnet_tf.study.records import Outcome
from nasnet_tf.study.stored import Listener, Trial

__all__ = ["EPOCH", "MOST_LOST", "Answer", "Study"]

# With a number from 1: the metric that holds what a trial reached after that epoch.
EPOCH = "epoch_"
MOST_LOST = 3  # processes that a trial may lose and be run again
_POLL = 0.05  # seconds until a worker that waits for a trial asks again


class Answer(NamedTuple):
    """What a worker gets that asks for a trial: "RUNNING" and the number of a trial; "IDLE", to ask
    again later, since a trial of another worker may come back; or "STOPPED".
    """

    status: str
    number: str | None = None


class Study(ProposedTrials):
    """Hands out trials, and lets a strategy learn from those that ended.

        study = Study("ppo", NASBench201Space(), max_trials=50, folder="runs/mine")
        while (trial := study.ask()) is not None:
            study.tell(trial.number, accuracy_of(trial.genotype))
        best = study.genotype(study.best(1)[0])

    Trials are in the log `trials.log` of the folder (`nasnet_tf.journal`): when one begins and when
    it ends, whole, before the strategy learns from it. After a restart the strategy learns the
    ended trials again, in the order they ended, so it proposes what it would have proposed; trials
    that were running are run again, and those that failed because memory, the disk or their process
    was lost. Any number of threads may ask and tell.

    Args:
        strategy: the name of a `nasnet_tf.strategies` strategy, or anything that makes one from a
            space and a seed.
        space: what is searched. Points with equal keys are trained once.
        max_trials: None for no limit.
        folder: where the log and the snapshots of the strategy lie, or a function that tells it;
            None keeps the search in memory.
        metric, direction: name of the score, and whether it is to be maximized ("max") or minimized
            ("min").
        objectives: {name: direction} of what makes up the score; by default the metric.
        seed: of the strategy; None takes any, or that of the log.
        settings: of the strategy. Of one with `fidelity`, `epochs` are the lengths of training that
            it may choose from, (1, 3, 9) by default.
        schemas: what is declared, where that may grow; by default the decisions of the space.
        lease_seconds: how long a worker with `LEASED` in its id may give no sign of life.
        repeats: whether a network may be proposed twice in a space of at most 10,000 points. By
            default it is not, and the search ends when nothing new is left.
        retry_failed: whether all trials that failed before a search goes on are run again.
        max_retries: how often a trial that fails is run again at once.
        lag: trial k is proposed from the results of trials 0 to k - lag, in this order, and waits
            for them: so proposals do not depend on how long trials take. None: from all that have
            ended by then.
        max_failures: failed trials in a row that end the search; None: no number does.
        listener: a `Listener`.

    Attributes:
        history: the `nasnet_tf.study.History` of the trials.
        should_stop: a function; once it returns True no more trials are handed out.
        proposer: proposes in place of the strategy: a function of a trial's number; or None.
        data: what the search is of, as JSON has it: a log of another is refused.
        gave_up: why the search was given up, or None.
        exhausted: in words, once nothing new is left to try.
    """

    def __init__(
        self,
        strategy="auto",
        space: Space | None = None,
        max_trials: int | None = None,
        *,
        folder=None,
        metric: str = "score",
        direction: str = "max",
        objectives: dict[str, str] | None = None,
        seed: int | None = None,
        settings: dict | None = None,
        schemas=None,
        lease_seconds: float = 60.0,
        repeats: bool = False,
        retry_failed: bool = False,
        max_retries: int = 0,
        max_failures: int | None = 10,
        lag: int | None = None,
        listener: Listener | None = None,
    ):
        if max_trials is not None and max_trials < 1:
            raise ValueError(f"max_trials is {max_trials}; give at least 1, or None for no limit.")
        self.max_trials, self.max_retries, self.max_failures = max_trials, max_retries, max_failures
        self.should_stop, self.metric = lambda: False, metric
        self.workers = set()  # ids of those that have asked and were not told to stop
        super().__init__(
            strategy,
            space,
            folder if callable(folder) or folder is None else lambda: folder,
            direction=direction,
            objectives=objectives or {metric: direction},
            seed=seed,
            settings=settings,
            schemas=schemas,
            lease_seconds=lease_seconds,
            repeats=repeats,
            retry_failed=retry_failed,
            listener=listener,
            lag=lag,
        )

    # Ask and tell.

    def ask(self, worker: str = "") -> Trial | None:
        """The next trial for a worker; None when the search is over. Waits while one may come
        back.
        """
        while (answer := self.next(worker)).status == "IDLE":
            time.sleep(_POLL)
        return None if answer.number is None else self.trial(answer.number)

    def tell(
        self, number: str, score: float | None = None, *, metrics=None, message: str | None = None
    ) -> None:
        """What became of a trial.

        Args:
            score: None, NaN or infinite: it failed, and `message` says why.
            metrics: {name: value} of what else was measured.
        """
        recorded = {name: ["max", [0, float(value)]] for name, value in (metrics or {}).items()}
        if score is None or not math.isfinite(score):
            return self.finish(number, Outcome("INVALID", None, recorded, 0, message))
        recorded[self.metric] = [self.direction, [0, float(score)]]
        self.finish(number, Outcome("COMPLETED", score, recorded, 0, message))

    # What workers do.

    def next(self, worker: str) -> Answer:
        """What the worker is to run next. Of a network that was trained the result is reused."""
        while True:
            answer, duplicate_of = self._next(worker)
            self._log.flush()
            if duplicate_of is None:
                return answer
            outcome = self.records.reuse(
                duplicate_of, self.metric, self.direction, (EPOCH, "seconds")
            )
            self.finish(answer.number, outcome, reused=duplicate_of)

    def _next(self, worker):
        """(the answer, the trial that has trained the same network already, if any)."""
        with self._thinking:
            while True:
                with self.lock.ahead():
                    if (answer := self._at_hand(worker)) is not None:
                        return answer, None
                    number = None if self._queue else self._new_number()
                    replay, schema, count, running = self._to_learn()
                    if number is not None and self._is_behind:
                        return Answer("IDLE"), None
                replay.learn(schema, count)
                proposed = None if number is None else self._propose(number, replay, running)
                with self.lock.ahead():
                    if replay is not self._replay or number is None and not self._queue:
                        continue  # the log was opened again meanwhile, or the trial ended
                    if number is None:
                        number = self._queue.pop()
                    elif proposed["status"] == "RUNNING":
                        self._begin(number, proposed["values"])
                    else:
                        return self._nothing_left(worker, proposed["status"]), None
                    self.leases.give(worker, number)
                    return Answer("RUNNING", number), replay.duplicate_of(number)

    def _new_number(self):
        return f"{len(self.history.begun):0{len(str(self.max_trials))}d}"

    def _at_hand(self, worker):
        """What the worker gets without the strategy being asked; None if that must be."""
        over = self.should_stop() or self.gave_up is not None
        if over or self._is_spent() and not self.leases.running:
            return self.stop(worker)
        self.open()
        self.expire()
        self._run_failed_again()
        if worker in self.leases.running:
            number = self.leases.running[worker]
            self.leases.give(worker, number)
            return Answer("RUNNING", number)
        self.workers.add(worker)
        return self._nothing_left(worker, "STOPPED") if self._is_spent() else None

    def _nothing_left(self, worker, status):
        """The answer where there is nothing to run now."""
        if status == "STOPPED" and not (self.leases and LEASED in worker):
            return self.stop(worker)
        return Answer("IDLE" if status == "STOPPED" else status)

    def _is_spent(self):
        waiting = self._queue or self._again
        return bool(self.max_trials) and len(self.history.begun) >= self.max_trials and not waiting

    def stop(self, worker: str) -> Answer:
        """The worker gets no more trials."""
        self.workers.discard(worker)
        if not self.leases.running:
            self.close()
        return Answer("STOPPED")

    def _begin(self, number, values):
        record = self._replay.begin(number, values)
        self.declare()
        self._write(record)
        self.records.keep(number, values)
        self.exhausted = None

    def finish(self, number: str, outcome: Outcome, reused: str | None = None) -> None:
        """Writes what became of a trial. One that another worker ended already stays as it is.

        Args:
            reused: number of the trial whose result it took over.
        Raises: RuntimeError if the search is given up.
        """
        with self.lock:
            ended = self._finish(number, outcome, reused)
        count = len(self.history.end_order)
        self._log.flush()
        self._on_disk = max(count, self._on_disk)
        if ended:
            self.listener.ended(number)
        if self.gave_up is not None:  # raised when all is on disk and the lock is free
            raise RuntimeError(self.gave_up)

    def _finish(self, number, outcome, reused):
        """Whether the trial ended for good, now."""
        self.open()
        if number in self.history.ended:
            return False
        if outcome.status == "INVALID" and self.history.runs[number] < self.max_retries:
            self._write({"retry": number, "message": outcome.message})
            self._queue.append(number)
            self.leases.end(number)
            return False
        if outcome.status == "INVALID":
            outcome = outcome._replace(status="FAILED")
        seconds = self.leases.seconds_since(number)
        self._write(self.records.end_record(number, outcome, seconds, reused))
        self._forget(number)
        if number in self._queue:
            self._queue.remove(number)
        most = self.max_failures or math.inf
        if self.history.failed_in_a_row >= most:
            self.gave_up = (
                f"Number of consecutive failures exceeded the limit of {most}.\n"
                f"{outcome.message or ''}"
            )
        self.leases.end(number)  # last: a chief ends when no worker runs a trial any more
        return True

    def note_lost(self, number: str, reason: str) -> int:
        """Keeps on disk that the process that ran a trial was lost. Returns how often that has
        happened to the trial.
        """
        with self.lock:
            self.open()
            self._write({"lost": number, "message": reason})
            return self.history.lost[number]

    def renew(self, number: str, worker: str) -> None:
        """A sign of life of a worker. If it was away, it has its trial again if no other has."""
        with self.lock:
            if number in self._queue and self.leases.may_return(worker, number):
                self._queue.remove(number)
                self.leases.give(worker, number)
            self.leases.renew(worker, number)

    def expire(self) -> None:
        """Takes trials from workers that gave no sign of life for too long; others get them."""
        with self.lock:
            for number in self.leases.late():
                reason = f"its worker gave no sign of life for {self.lease_seconds:g} s"
                times = self.note_lost(number, reason)
                if times > MOST_LOST:
                    self.finish(number, Outcome("FAILED", message=f"{reason}, {times} times"))
                    continue
                self._queue.append(number)
                self.workers.difference_update(self.leases.lose(number))
