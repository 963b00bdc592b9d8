"""Threads that compute the parts of kernel calls side by side.

Kernels run without Python's lock, so threads of Python are enough. They go through the same list of
groups of calls, each computes its part of every call, and none begins a group before all have
finished those before it. They wait for that in a short loop over counters in memory: a step has
hundreds of groups, and to sleep and be woken takes as long as a small one.
"""

from __future__ import annotations

import threading
import time
import weakref

import numpy as np
from numba import types
from numba.extending import intrinsic

from nasnet_tf.native.kernels import compiled

_LINE = 8  # int64 in a cache line: counters of different threads lie in different ones
_LOOKS = 5_000  # at the counters before a thread sleeps
_NAP = 5e-5  # seconds that it sleeps: where others need the core, it is not taken from them
_STOP = None


@intrinsic
def _read(typing, counters, number):
    """counters[number], as other threads last wrote it."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.load_atomic(builder.gep(data, [arguments[1]]), "acquire", 8)

    return types.int64(types.Array(types.int64, 1, "C"), types.int64), generate


@intrinsic
def _write(typing, counters, number, value):
    """counters[number] = value, after all that this thread wrote before."""

    def generate(context, builder, signature, arguments):
        counters, number, value = arguments
        data = context.make_array(signature.args[0])(context, builder, counters).data
        builder.store_atomic(value, builder.gep(data, [number]), "release", 8)
        return context.get_dummy_value()

    array = types.Array(types.int64, 1, "C")
    return types.void(array, types.int64, types.int64), generate


@compiled
def _arrived(counters, own, done, looks):
    """Whether all counters are at least `done` after at most so many looks; the own becomes so."""
    _write(counters, own * _LINE, done)
    number = 0
    for _ in range(looks):
        while number < len(counters) and _read(counters, number) >= done:
            number += _LINE
        if number >= len(counters):
            return True
    return False


class Crew:
    """So many threads, this one included, that run lists of calls together.

    The others sleep between lists, and end with this object.
    """

    def __init__(self, threads: int):
        self.threads = threads
        self._counters, self._done = np.zeros(threads * _LINE, "int64"), 0
        self._errors = []
        self._given = [_Given() for _ in range(threads - 1)]
        for number, given in enumerate(self._given, start=1):
            arguments = number, given, self._counters, self._errors
            threading.Thread(target=_serve, args=arguments, daemon=True).start()
        weakref.finalize(self, _stop, self._given)

    def run(self, parts) -> None:
        """Runs what `nasnet_tf.native.calls.groups` returned."""
        before = self._done
        self._done += len(parts)
        for given in self._given:
            given.put((parts, before))
        _run(parts, before, 0, self._counters, self._errors)
        if self._errors:
            error = self._errors.pop()
            self._errors.clear()
            raise error


class _Given:
    """A place for one list of calls, which a thread waits for."""

    def __init__(self):
        self._task, self._there = None, threading.Semaphore(0)

    def put(self, task):
        self._task = task
        self._there.release()

    def get(self):
        self._there.acquire()
        task, self._task = self._task, None
        return task


def _serve(number, given, counters, errors):
    while (task := given.get()) is not _STOP:
        _run(*task, number, counters, errors)


def _stop(given):
    for each in given:
        each.put(_STOP)


def _run(parts, before, own, counters, errors):
    """Runs the parts of thread `own`; returns when all threads are done. `before`: what the
    counters are at first.

    What is raised, be it an interruption, is kept in `errors`: the others wait for this thread all
    the same. Nothing is computed after that.
    """
    for done, of_threads in enumerate(parts, start=before + 1):
        try:
            for kernel, arguments in () if errors else of_threads[own]:
                kernel(*arguments)
        except BaseException as error:
            errors.append(error)
        waits = True
        while waits:
            try:
                waits = not _arrived(counters, own, done, _LOOKS)
                if waits:
                    time.sleep(_NAP)
            except BaseException as error:
                errors.append(error)
