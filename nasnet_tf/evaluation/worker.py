"""A process that runs one call after another, so that what a call leaks, breaks or kills stays there.

TensorFlow keeps 150 to 300 MB of every network ever trained in a process. A worker is reused while it is small, because
starting one costs seconds, and replaced once it has grown, died or fallen silent. Parent and worker exchange pickles through the
worker's own pipes and nothing else; the worker never re-imports the caller's script, and ends when its parent does.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time

from nasnet_tf.evaluation.streams import Source, incoming

__all__ = ["ChildFailed", "Stopped", "Turn", "Worker", "WorkerLost"]

_BEAT = 2.0  # seconds between two signs of life


class Stopped(KeyboardInterrupt):
    """A call that `Worker.stop` broke off: nobody's failure."""


class ChildFailed(Exception):
    """A call that ended in an exception, or took its process with it. The message is one line."""


class WorkerLost(ChildFailed):
    """The process died or fell silent: whatever the call was, it may succeed another time."""


class Turn:
    """One call of a worker at a time: calls of other threads wait, one from within a call is an error, as it would wait for ever."""

    def __init__(self):
        self._lock, self._owner = threading.Lock(), None

    def __enter__(self):
        if self._owner == threading.get_ident():
            raise RuntimeError("a call of a worker called the same worker; give what it calls a worker of its own.")
        self._lock.acquire()
        self._owner = threading.get_ident()

    def __exit__(self, *_):
        self._owner = None
        self._lock.release()


class Worker:
    """Runs calls in a process of its own, one at a time; a thread that calls while another's call runs waits for its turn.

    Args:
        threads: threads one TensorFlow operation may use in the worker; None leaves it to TensorFlow.
        memory_limit_mb: resident memory above which the process is replaced after a call.
        patience: seconds after which a process that gives no sign of life is killed.
    """

    def __init__(self, threads=None, memory_limit_mb=3000, patience=120.0):
        self.threads, self.memory_limit_mb, self.patience = threads, memory_limit_mb, patience
        self._process = self._log = None
        self._stopped = self._silent = False
        self._waited = None  # while something is awaited: [seconds since the last sign of life]
        self.memory_mb = 0.0
        self._turn = Turn()

    def run(self, function, *args, **kwargs):
        """`function(*args, **kwargs)`, run in the worker. Function, arguments and result must be picklable.

        An argument may be a `tf.data.Dataset` too: its elements are sent as the worker asks for them.

        Raises:
            ChildFailed: if the call raised.
            WorkerLost: if its process died or fell silent.
            Stopped: if `stop` was called meanwhile.
            pickle.PicklingError, AttributeError, TypeError: if the call cannot be sent; nothing has run then.
            RuntimeError: if it is called from within one of its own calls.
        """
        with self._turn:
            return self._run(function, args, kwargs)

    def _run(self, function, args, kwargs):
        if self._stopped:
            raise Stopped
        source = Source()
        call = (function, [source.outgoing(a) for a in args], {name: source.outgoing(a) for name, a in kwargs.items()})
        message = pickle.dumps(call, protocol=pickle.HIGHEST_PROTOCOL)
        if self._process is None or self._process.poll() is not None:
            self._start()
        try:
            self._send(message)
            while (answer := self._receive())[0] == "ask":
                self._send(pickle.dumps(source.answer(*answer[1:]), protocol=pickle.HIGHEST_PROTOCOL))
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

    def _receive(self):
        """The next message that is more than a sign of life."""
        try:
            while True:
                self._waited = [0.0]
                message = pickle.load(self._process.stdout)
                if message[0] != "beat":
                    return message
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
                self._silent = True
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
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        if self.threads:
            environment.update(
                TF_NUM_INTRAOP_THREADS=str(self.threads), TF_NUM_INTEROP_THREADS=str(self.threads), OMP_NUM_THREADS=str(self.threads)
            )
        self._log, self._silent = tempfile.TemporaryFile(), False
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from nasnet_tf.evaluation.worker import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the parent
        )
        threading.Thread(target=self._watch, args=(self._process,), daemon=True).start()

    def _obituary(self):
        code = self._process.wait()
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        self.close()
        if self._silent:
            return f"the training process gave no sign of life for {self.patience:g} s and was killed"
        if code == -9:
            return "the training process was killed, as the system does when memory runs out"
        return f"the training process ended with {f'signal {-code}' if code < 0 else f'status {code}'}{': ' + lines[-1] if lines else ''}"


def serve():
    """The worker's side: calls from standard input, answers to standard output, everything else to standard error."""
    calls, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a call prints must not get among the answers
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    while True:
        line = _Line(calls, answers)
        try:
            function, args, kwargs = line.call()
        except EOFError:
            return
        try:
            args, kwargs = [incoming(a, line.ask) for a in args], {name: incoming(a, line.ask) for name, a in kwargs.items()}
            answer = ("done", function(*args, **kwargs))
        except Exception as error:
            answer = ("failed", _one_line(error))
        line.hang_up((*answer, _resident_mb()))


class _Line:
    """The worker's way to its parent while a call runs: signs of life, and questions for data from whatever thread needs it."""

    def __init__(self, calls, answers):
        self._calls, self._answers = calls, answers
        self._lock, self._open = threading.Lock(), True

    def call(self):
        """Waits for a call; from there on the parent hears that the process lives, also while it imports what the call needs."""
        if not self._calls.peek(1):
            raise EOFError
        threading.Thread(target=self._beat, daemon=True).start()
        return pickle.load(self._calls)

    def _beat(self):
        while True:
            with self._lock:
                if not self._open:
                    return
                self._say(("beat",))
            time.sleep(_BEAT)

    def ask(self, what, number):
        with self._lock:
            if not self._open:  # a data set that reads ahead of a call that has ended
                return None
            self._say(("ask", what, number))
            return pickle.load(self._calls)

    def hang_up(self, answer):
        with self._lock:
            self._open = False
            self._say(answer)

    def _say(self, message):
        pickle.dump(message, self._answers, protocol=pickle.HIGHEST_PROTOCOL)
        self._answers.flush()


def _end_with_parent(parent):
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _one_line(error):
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


def _resident_mb():
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:  # no /proc: the highest so far, which grows too
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
