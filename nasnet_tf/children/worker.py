"""A process that runs one call after another, so that a call that leaks, crashes or is killed harms
nothing else.

TensorFlow keeps 150 to 300 MB of every network ever trained in a process. A worker is reused while
it is small, because starting one costs seconds, and replaced once it has grown, died or stopped
responding. Parent and worker exchange pickles through the worker's pipes and nothing else. The
worker never re-imports the caller's script, imports from where its parent does and never from the
current folder first, and ends when its parent does.
"""

from __future__ import annotations

import itertools
import pickle
import tempfile
import threading
import time

from nasnet_tf.children.serving import BEAT, packed
from nasnet_tf.children.starting import start
from nasnet_tf.children.streams import Source

__all__ = ["ChildFailed", "Stopped", "Turn", "Worker", "WorkerLost"]

_NUMBERS = itertools.count()  # of workers
_FIRST_STEP, _STEP = 30, 5  # patiences that a training's first step may take, and any other
_SLOWER = 10  # how many times as long as the slowest step before it a step may take


class Stopped(KeyboardInterrupt):
    """`Worker.stop` interrupted the call, which is no failure of it."""


class ChildFailed(Exception):
    """A call raised, or its process died. The message is one line."""


class WorkerLost(ChildFailed):
    """The process died or stopped responding; the call may succeed another time."""


class Turn:
    """A lock: calls of a worker from other threads wait, one from within a call raises
    RuntimeError, as it would wait for ever.
    """

    def __init__(self):
        self._lock, self._owner = threading.Lock(), None

    def __enter__(self):
        if self._owner == threading.get_ident():
            raise RuntimeError(
                "a call of a worker called the same worker; give what it calls a worker of its own."
            )
        self._lock.acquire()
        self._owner = threading.get_ident()

    def __exit__(self, *_):
        self._owner = None
        self._lock.release()


class Worker:
    """Runs calls in a process of its own, one at a time; calls from other threads wait.

    Args:
        threads: threads one TensorFlow operation may use in the worker; None leaves it to
            TensorFlow.
        memory_limit_mb: resident memory above which the process is replaced after a call.
        patience: seconds without a heartbeat after which the process is killed. So is a training
            that hangs, if it reports its steps (`nasnet_tf.children.serving.tell_steps`): its first
            step may take 30 patiences, any other 5, or ten times as long as the slowest before it.
    """

    def __init__(self, threads=None, memory_limit_mb=3000, patience=120.0):
        self.threads, self.memory_limit_mb, self.patience = threads, memory_limit_mb, patience
        self._process = self._log = None
        self._stopped, self._killed = False, None  # why the process was killed here
        self._waited = None  # while waiting: [seconds since the last heartbeat]
        self.memory_mb = 0.0
        self._turn, self._number = Turn(), next(_NUMBERS)

    def run(self, function, *args, **kwargs):
        """`function(*args, **kwargs)`, run in the worker. Function, arguments and result must be
        picklable.

        An argument may be a `tf.data.Dataset` too: its elements are sent as the worker asks for
        them.

        Raises:
            ChildFailed: if the call raised.
            WorkerLost: if its process died or stopped responding.
            Stopped: if `stop` was called meanwhile.
            pickle.PicklingError, AttributeError, TypeError: if the call cannot be sent; nothing has
                run then.
            RuntimeError: if it is called from within one of the worker's calls.
        """
        with self._turn:
            return self._run(function, args, kwargs)

    def _run(self, function, args, kwargs):
        if self._stopped:
            raise Stopped
        source = Source()
        args = [source.outgoing(value) for value in args]
        kwargs = {name: source.outgoing(value) for name, value in kwargs.items()}
        message = packed((function, args, kwargs))
        if self._process is None or self._process.poll() is not None:
            self._start()
        try:
            if self._stopped:  # while it was being started
                raise Stopped
            self._send(message)
            detector = _HangDetector(self.patience)
            while (answer := self._receive(detector))[0] == "ask":
                self._send(packed(source.answer(*answer[1:])))
            outcome, value, self.memory_mb = answer
        except (EOFError, OSError, pickle.UnpicklingError):
            if self._stopped:
                raise Stopped from None
            raise WorkerLost(self._cause_of_death()) from None
        except BaseException:  # interrupted: the result of the call is not needed any more
            self.close()
            raise
        if self.memory_mb > self.memory_limit_mb:
            self.close()
        if outcome == "failed":
            raise ChildFailed(value)
        return value

    def _send(self, message):
        self._waited = [0.0]  # a process that does not read hangs too
        try:
            self._process.stdin.write(message)
            self._process.stdin.flush()
        finally:
            self._waited = None

    def _receive(self, detector):
        """The next message that is no heartbeat."""
        try:
            while True:
                self._waited = [0.0]
                message = pickle.load(self._process.stdout)
                if message[0] != "beat":
                    return message
                if detector.hangs(message[1]):
                    seconds = f"{detector.still:.0f} s"
                    self._killed = f"the training has made no step for {seconds} and was killed"
                    self._process.kill()
                    raise EOFError
        finally:
            self._waited = None

    def _watch(self, process):
        """Kills the process when its heartbeat stops. Runs in a thread of its own."""
        tick = min(1.0, self.patience / 4)
        while process.poll() is None:
            time.sleep(tick)
            waited = self._waited
            if self._process is not process or waited is None:
                continue
            waited[0] += tick  # not by a clock, which goes on while all of this machine sleeps
            if waited[0] > self.patience:
                self._killed = (
                    f"the training process gave no sign of life for {self.patience:g} s and was"
                    " killed"
                )
                process.kill()

    def stop(self):
        """Interrupts the running call, from another thread. The worker cannot be used again."""
        self._stopped = True
        process = self._process
        if process is not None:
            process.kill()

    def close(self):
        """Ends the process. The next call starts another."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
        self._log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _start(self):
        self.close()
        self._log, self._killed = tempfile.TemporaryFile(), None
        self._process = start(self.threads, self._log, self._number)
        threading.Thread(target=self._watch, args=(self._process,), daemon=True).start()

    def _cause_of_death(self):
        code = self._process.wait()
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        self.close()
        if self._killed:
            return self._killed
        if code == -9:
            return "the training process was killed, as the system does when memory runs out"
        how = f"signal {-code}" if code < 0 else f"status {code}"
        return f"the training process ended with {how}{': ' + lines[-1] if lines else ''}"


class _HangDetector:
    """Tells a training that hangs from one that is slow.

    It counts heartbeats, since a clock goes on while the machine sleeps.
    """

    def __init__(self, patience):
        self._patience, self._steps, self._slowest = patience, None, 0.0
        self.still = 0.0  # seconds since the last step

    def hangs(self, steps):
        """Whether the training hangs, at a heartbeat after so many steps; None if it reports
        none.
        """
        if steps is None or steps != self._steps:
            self._slowest = max(self._slowest, self.still)
            self._steps, self.still = steps, 0.0
            return False
        self.still += BEAT
        if steps == 0:
            return self.still > _FIRST_STEP * self._patience
        return self.still > max(_STEP * self._patience, _SLOWER * self._slowest)
