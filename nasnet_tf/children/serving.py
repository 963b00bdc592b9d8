"""What runs in the process that a `nasnet_tf.children.worker.Worker` starts."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import threading
import time

from nasnet_tf.children.streams import incoming

__all__ = ["BEAT", "one_line", "packed", "serve", "tell_steps"]

BEAT = 2.0  # seconds between two heartbeats
_PR_SET_PDEATHSIG = 1  # a constant of Linux
_steps = None  # done by the training that runs here; None while nothing is trained


def tell_steps(steps: int | None) -> None:
    """Reports to the parent, with the next heartbeat, how many steps the training here has done.

    None: it is over, or steps are not counted; such a call may take any time.
    """
    global _steps
    _steps = steps


def serve(parent: int):
    """Reads calls from standard input and writes results to standard output; what calls print goes
    to standard error.

    Args:
        parent: id of the process that started this one, with which it ends.
    """
    calls, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a call prints must not get among the results
    _exit_with(parent)
    while True:
        tell_steps(None)
        connection = _Connection(calls, answers)
        try:
            function, args, kwargs = connection.receive()
        except EOFError:
            return
        try:
            args = [incoming(value, connection.ask) for value in args]
            kwargs = {name: incoming(value, connection.ask) for name, value in kwargs.items()}
            answer = packed(("done", function(*args, **kwargs), _resident_mb()))
        except Exception as error:
            answer = packed(("failed", one_line(error), _resident_mb()))
        connection.finish(answer)


class _Connection:
    """To the parent, for one call: heartbeats, and requests for data from any thread."""

    def __init__(self, calls, answers):
        self._calls, self._answers = calls, answers
        self._lock, self._open = threading.Lock(), True

    def receive(self):
        """Waits for the call. From then on heartbeats are sent, also while it is unpickled, which
        imports modules.
        """
        if not self._calls.peek(1):
            raise EOFError
        threading.Thread(target=self._beat, daemon=True).start()
        return pickle.load(self._calls)

    def _beat(self):
        while True:
            with self._lock:
                if not self._open:
                    return
                self._send(packed(("beat", _steps)))
            time.sleep(BEAT)

    def ask(self, what, number):
        with self._lock:
            if not self._open:  # a data set that prefetches after its call has ended
                return None
            self._send(packed(("ask", what, number)))
            return pickle.load(self._calls)

    def finish(self, answer):
        with self._lock:
            self._open = False
            self._send(answer)

    def _send(self, message):
        self._answers.write(message)
        self._answers.flush()


def packed(message) -> bytes:
    """The message as it is sent between parent and worker."""
    return pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)


def _exit_with(parent):
    """Ends this process when its parent has ended; on Linux also while this process is stopped."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent):
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def one_line(error) -> str:
    """Kind and message of an error."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


def _resident_mb():
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:  # no /proc: the peak, which grows too
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
            1e6 if sys.platform == "darwin" else 1e3
        )
