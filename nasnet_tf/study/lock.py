"""A lock that serves the threads in the order they asked."""

from __future__ import annotations

import collections
import contextlib
import threading

__all__ = ["FairLock"]


class FairLock:
    """As `threading.RLock` in a with statement, but first come, first served: of hundreds of
    threads that ask again and again, none waits longer than the others.
    """

    def __init__(self):
        self._guard, self._waiting = threading.Lock(), collections.deque()
        self._owner, self._depth = None, 0

    def __enter__(self):
        self._enter()

    @contextlib.contextmanager
    def ahead(self):
        """For a with statement: goes before all waiting threads. Only one thread may do this, or
        the others would wait for ever.
        """
        self._enter(ahead=True)
        try:
            yield
        finally:
            self.__exit__()

    def _enter(self, ahead=False):
        me = threading.get_ident()
        if self._owner != me:
            gate = threading.Lock()
            gate.acquire()
            with self._guard:
                if self._owner is None:
                    self._owner = me
                    gate.release()
                elif ahead:
                    self._waiting.appendleft((me, gate))
                else:
                    self._waiting.append((me, gate))
            try:
                gate.acquire()
            except BaseException:  # interrupted while it waited
                self._give_up(me, gate)
                raise
        self._depth += 1

    def __exit__(self, *_):
        self._depth -= 1
        if self._depth == 0:
            with self._guard:
                self._hand_over()

    def _hand_over(self):
        self._owner, gate = self._waiting.popleft() if self._waiting else (None, None)
        if gate is not None:
            gate.release()

    def _give_up(self, me, gate):
        with self._guard:
            if (me, gate) in self._waiting:
                self._waiting.remove((me, gate))
            elif self._owner == me:  # its turn had come
                self._hand_over()
