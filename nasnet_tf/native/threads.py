"""Threads that compute the parts of kernel calls side by side.

They go through the same list of groups of calls, each computes its part of every call, and none
begins a group before all have finished those before it. They wait for that in a short loop over
counters in memory: a step has hundreds of groups, and to sleep and be woken takes as long as a
small one. All that is done without Python's lock.
"""

from __future__ import annotations

import threading
import time
import weakref

import numpy as np
from numba import types
from numba.extending import intrinsic

from nasnet_tf.native.kernels import compiled
from nasnet_tf.native.lists import CallList, run_calls

_LINE = 8  # int64 in a cache line: counters of different threads lie in different ones
_FAILED = 1  # the place in a thread's line where it says that a call of it was not computed
_LOOKS = 20_000  # at the counters before a thread sleeps
_VISIT = 64  # groups after which Python may interrupt
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


@compiled
def _failed(counters):
    for number in range(_FAILED, len(counters), _LINE):
        if _read(counters, number) != 0:
            return True
    return False


@compiled
def _fail(counters, own):
    _write(counters, own * _LINE + _FAILED, 1)


@compiled
def _run_groups(calls, ends, counters, own, before, group, last, waits, looks):
    """Computes the groups from `group` to `last` and returns `last`; or, earlier, the group where
    this thread has done its part and others have not. `waits`: it had been so at `group`.

    ends: of the calls of each group; before: what the counters are at the first group.
    """
    while group < last:
        if not waits and not _failed(counters):
            if not run_calls(calls, ends[group], ends[group + 1]):
                _fail(counters, own)
        waits = False
        if not _arrived(counters, own, before + group + 1, looks):
            return group
        group += 1
    return group


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

    def run(self, calls: CallList) -> None:
        """Computes the calls.

        Raises: MemoryError if a kernel found too little memory.
        """
        before = self._done
        self._done += len(calls.groups)
        of_threads = calls.of_threads
        for given, own in zip(self._given, of_threads[1:], strict=True):
            given.put((own, before))
        _run(of_threads[0], before, 0, self._counters, self._errors)
        if _failed(self._counters):
            self._counters[_FAILED::_LINE] = 0
            errors = [*self._errors, MemoryError("a kernel of a network found too little memory.")]
            self._errors.clear()
            raise errors[0]


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


def _run(calls, before, own, counters, errors):
    """Runs the calls of thread `own`; returns when all threads are done. `before`: what the
    counters are at first.

    What interrupts it is kept in `errors`: the others wait for this thread all the same, but
    compute nothing after that.
    """
    group, groups, waits = 0, len(calls.ends) - 1, False
    while group < groups:
        try:
            last, numbers = min(group + _VISIT, groups), (calls.calls, calls.ends, counters)
            group = _run_groups(*numbers, own, before, group, last, waits, _LOOKS)
            waits = group < last
            if waits:
                time.sleep(_NAP)
        except BaseException as error:
            errors.append(error)
            _fail(counters, own)
