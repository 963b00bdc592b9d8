"""A process that runs one call after another, so that what a call leaks, breaks or kills stays
there.

TensorFlow keeps 150 to 300 MB of every network ever trained in a process. A worker is reused while
it is small, because starting one costs seconds, and replaced once it has grown, died or fallen
silent. Parent and worker exchange pickles through the worker's own pipes and nothing else. The
worker never re-imports the caller's script, imports from where its parent does and never from the
current folder first, and ends when its parent does.
"""

from __future__ import annotations

import concurrent.futures
import functools
import os
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
import time

from nasnet_tf.children.serving import BEAT
from nasnet_tf.children.streams import Source

__all__ = ["ChildFailed", "Stopped", "Turn", "Worker", "WorkerLost"]

# `python -c` imports from the current folder first, so the path is replaced before anything is
# imported. (Python's own -P is of 3.11.)
_BEGIN = (
    "import sys; parent, *sys.path[:] = sys.argv[1:]; del sys.argv[1:]; from"
    " nasnet_tf.children.serving import serve; serve(int(parent))"
)
_FIRST_STEP, _STEP = 30, 5  # patiences that a training's first step may take, and any other
_SLOWER = 10  # times that a step may take of what the slowest before it took
_STARTS, _STARTING = (
    {},
    threading.Lock(),
)  # by process, as a fork has no threads: what is to be started


class Stopped(KeyboardInterrupt):
    """A call that `Worker.stop` broke off: nobody's failure."""


class ChildFailed(Exception):
    """A call that ended in an exception, or took its process with it. The message is one line."""


class WorkerLost(ChildFailed):
    """The process died or fell silent: whatever the call was, it may succeed another time."""


class Turn:
    """One call of a worker at a time: calls of other threads wait, one from within a call is an
    error, as it would wait for ever.
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
    """Runs calls in a process of its own, one at a time; a thread that calls while another's call
    runs waits for its turn.

    Args:
        threads: threads one TensorFlow operation may use in the worker; None leaves it to
            TensorFlow.
        memory_limit_mb: resident memory above which the process is replaced after a call.
        patience: seconds after which a process that gives no sign of life is killed. So is a
            training that hangs, if it tells its steps (`nasnet_tf.children.serving.tell_steps`):
            its first step may take 30 patiences, any other 5 or ten times what the slowest before
            it took.
    """

    def __init__(self, threads=None, memory_limit_mb=3000, patience=120.0):
        self.threads, self.memory_limit_mb, self.patience = threads, memory_limit_mb, patience
        self._process = self._log = None
        self._stopped, self._killed = False, None  # why the process was killed here
        self._waited = None  # while something is awaited: [seconds since the last sign of life]
        self.memory_mb = 0.0
        self._turn = Turn()

    def run(self, function, *args, **kwargs):
        """`function(*args, **kwargs)`, run in the worker. Function, arguments and result must be
        picklable.

        An argument may be a `tf.data.Dataset` too: its elements are sent as the worker asks for
        them.

        Raises:
            ChildFailed: if the call raised.
            WorkerLost: if its process died or fell silent.
            Stopped: if `stop` was called meanwhile.
            pickle.PicklingError, AttributeError, TypeError: if the call cannot be sent; nothing has
                run then.
            RuntimeError: if it is called from within one of its own calls.
        """
        with self._turn:
            return self._run(function, args, kwargs)

    def _run(self, function, args, kwargs):
        if self._stopped:
            raise Stopped
        source = Source()
        call = (
            function,
            [source.outgoing(a) for a in args],
            {name: source.outgoing(a) for name, a in kwargs.items()},
        )
        message = pickle.dumps(call, protocol=pickle.HIGHEST_PROTOCOL)
        if self._process is None or self._process.poll() is not None:
            self._start()
        try:
            if self._stopped:  # while it was being started
                raise Stopped
            self._send(message)
            pace = _Pace(self.patience)
            while (answer := self._receive(pace))[0] == "ask":
                self._send(
                    pickle.dumps(source.answer(*answer[1:]), protocol=pickle.HIGHEST_PROTOCOL)
                )
            outcome, value, self.memory_mb = answer
        except (EOFError, OSError, pickle.UnpicklingError):
            if self._stopped:
                raise Stopped from None
            raise WorkerLost(self._obituary()) from None
        except BaseException:  # interrupted: what the worker is doing is of no use any more
            self.close()
            raise
        if self.memory_mb > self.memory_limit_mb:
            self.close()
        if outcome == "failed":
            raise ChildFailed(value)
        return value

    def _send(self, message):
        self._waited = [0.0]  # a process that does not read is silent too
        try:
            self._process.stdin.write(message)
            self._process.stdin.flush()
        finally:
            self._waited = None

    def _receive(self, pace):
        """The next message that is more than a sign of life."""
        try:
            while True:
                self._waited = [0.0]
                message = pickle.load(self._process.stdout)
                if message[0] != "beat":
                    return message
                if pace.hangs(message[1]):
                    self._killed = (
                        f"the training has made no step for {pace.still:.0f} s and was killed"
                    )
                    self._process.kill()
                    raise EOFError
        finally:
            self._waited = None

    def _watch(self, process):
        """Kills the process when it has been silent for too long. Runs in a thread beside it."""
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
        """Breaks off the call that runs, from another thread. The worker is of no more use."""
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
        path, here = _path()
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        if not here:
            environment["PYTHONSAFEPATH"] = (
                "1"  # of processes that the worker starts, from Python 3.11 on
            )
        if self.threads:
            environment.update(
                TF_NUM_INTRAOP_THREADS=str(self.threads),
                TF_NUM_INTEROP_THREADS=str(self.threads),
                OMP_NUM_THREADS=str(self.threads),
            )
        self._log, self._killed = tempfile.TemporaryFile(), None
        start = functools.partial(
            subprocess.Popen,
            [
                sys.executable,
                *(["-I"] if sys.flags.isolated else []),
                "-c",
                _BEGIN,
                str(os.getpid()),
                *path,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the parent
        )
        self._process = _started(start)
        threading.Thread(target=self._watch, args=(self._process,), daemon=True).start()

    def _obituary(self):
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


class _Pace:
    """Tells a training that hangs from one that is slow.

    It counts signs of life: a clock goes on while the machine sleeps.
    """

    def __init__(self, patience):
        self._patience, self._steps, self._slowest = patience, None, 0.0
        self.still = 0.0  # seconds since the last step

    def hangs(self, steps):
        """Takes a sign of life of a training that has made so many steps; None where none
        counts.
        """
        if steps is None or steps != self._steps:
            self._slowest = max(self._slowest, self.still)
            self._steps, self.still = steps, 0.0
            return False
        self.still += BEAT
        return self.still > (
            _FIRST_STEP * self._patience
            if steps == 0
            else max(_STEP * self._patience, _SLOWER * self._slowest)
        )


def _started(start):
    """What `start` returns, called in a thread that lives as long as this process.

    Linux ends a worker with the thread that started it, be it that of a search that is over.
    """
    with _STARTING:
        if os.getpid() not in _STARTS:
            _STARTS[os.getpid()] = queue.SimpleQueue()
            threading.Thread(target=_start_all, args=(_STARTS[os.getpid()],), daemon=True).start()
    future = concurrent.futures.Future()
    _STARTS[os.getpid()].put((future, start))
    return future.result()


def _start_all(asked):
    while True:
        future, start = asked.get()
        try:
            future.set_result(start())
        except BaseException as error:
            future.set_exception(error)
        del future, start  # or a process that nobody knows any more would be kept


def _path():
    """(where a worker imports from, whether the current folder is among that).

    It is where this process does. The current folder, where that is among it, comes last: it may
    add modules, but replaces none.
    """
    path = [os.path.abspath(entry) for entry in sys.path if isinstance(entry, str) and entry]
    here = "" in sys.path
    return ([*path, os.getcwd()] if here else path), here
