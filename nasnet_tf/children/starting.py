"""Starts the process of a `Worker`."""

from __future__ import annotations

import concurrent.futures
import functools
import os
import queue
import subprocess
import sys
import threading

from nasnet_tf import gpus

# `python -c` imports from the current folder first, so the path is replaced before anything is
# imported. (Python's own -P exists from 3.11 on.)
_COMMAND = (
    "import sys; parent, *sys.path[:] = sys.argv[1:]; del sys.argv[1:]; from"
    " nasnet_tf.children.serving import serve; serve(int(parent))"
)
_REQUESTS, _LOCK = {}, threading.Lock()  # a queue for each process, as a fork has no threads


def start(threads: int | None, log, number: int = 0) -> subprocess.Popen:
    """A process that runs `nasnet_tf.children.serving.serve`; what it prints goes to the file
    `log`.

    Args:
        threads: that one TensorFlow operation may use; None leaves it to TensorFlow.
        number: of the worker, by which several share the GPUs.
    """
    path, has_current_folder = _import_path()
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if not has_current_folder:  # for processes that the worker starts, from Python 3.11 on
        environment["PYTHONSAFEPATH"] = "1"
    gpus.set_defaults(environment)
    gpus.give(environment, number)
    if threads:
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
            environment[name] = str(threads)
    isolated = ["-I"] if sys.flags.isolated else []
    popen = functools.partial(
        subprocess.Popen,
        [sys.executable, *isolated, "-c", _COMMAND, str(os.getpid()), *path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=environment,
        start_new_session=True,  # Ctrl-C is for the parent
    )
    return _in_lasting_thread(popen)


def _in_lasting_thread(function):
    """The result of `function`, called in a thread that lives as long as this process.

    Linux ends a worker with the thread that started it, which may be that of a search that is over.
    """
    with _LOCK:
        if os.getpid() not in _REQUESTS:
            requests = _REQUESTS[os.getpid()] = queue.SimpleQueue()
            threading.Thread(target=_serve_requests, args=(requests,), daemon=True).start()
    future = concurrent.futures.Future()
    _REQUESTS[os.getpid()].put((future, function))
    return future.result()


def _serve_requests(requests):
    while True:
        future, function = requests.get()
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)
        del future, function  # or the last process would be kept until the next request


def _import_path():
    """(the folders that a worker imports from, whether the current folder is among them).

    They are those of this process. The current folder, if it is among them, comes last: it may add
    modules, but replaces none.
    """
    path = [os.path.abspath(entry) for entry in sys.path if isinstance(entry, str) and entry]
    has_current_folder = "" in sys.path
    return ([*path, os.getcwd()] if has_current_folder else path), has_current_folder
