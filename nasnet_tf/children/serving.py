"""The worker's side of `nasnet_tf.children.worker`: what runs in the process that a `Worker`
starts.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import threading
import time

from nasnet_tf.children.streams import incoming

__all__ = ["BEAT", "serve", "tell_steps"]

BEAT = 2.0  # seconds between two signs of life
_PR_SET_PDEATHSIG = 1  # of Linux
_steps = None  # that the training which runs here has done; None while nothing is trained


def tell_steps(steps: int | None) -> None:
    """Tells the parent, with the next sign of life, how many steps the training here has done.

    None says that it is over, or that nobody counts: such a call may take as long as it likes.
    """
    global _steps
    _steps = steps


def serve(parent: int):
    """Takes calls from standard input, answers on standard output; all else goes to standard error.

    Args:
        parent: number of the process that started this one, with which it ends.
    """
    calls, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a call prints must not get among the answers
    _end_with(parent)
    while True:
        tell_steps(None)
        line = _Line(calls, answers)
        try:
            function, args, kwargs = line.call()
        except EOFError:
            return
        try:
            args, kwargs = (
                [incoming(a, line.ask) for a in args],
                {name: incoming(a, line.ask) for name, a in kwargs.items()},
            )
            answer = _packed("done", function(*args, **kwargs), _resident_mb())
        except Exception as error:
            answer = _packed("failed", _one_line(error), _resident_mb())
        line.hang_up(answer)


class _Line:
    """The way to the parent while a call runs: signs of life, and questions for data of any
    thread.
    """

    def __init__(self, calls, answers):
        self._calls, self._answers = calls, answers
        self._lock, self._open = threading.Lock(), True

    def call(self):
        """Waits for a call. From there on the parent hears that this process lives, also while it
        imports.
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
                self._say(_packed("beat", _steps))
            time.sleep(BEAT)

    def ask(self, what, number):
        with self._lock:
            if not self._open:  # a data set that reads ahead of a call that has ended
                return None
            self._say(_packed("ask", what, number))
            return pickle.load(self._calls)

    def hang_up(self, answer):
        with self._lock:
            self._open = False
            self._say(answer)

    def _say(self, message):
        self._answers.write(message)
        self._answers.flush()


def _packed(*message):
    return pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)


def _end_with(parent):
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


def _one_line(error):
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


def _resident_mb():
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:  # no /proc: the highest so far, which grows too
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
            1e6 if sys.platform == "darwin" else 1e3
        )
