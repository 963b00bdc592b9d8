"""Calls as tasks of a Ray cluster: what `Worker` does in a process of this machine, on any machine
of the cluster.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys

import numpy as np

from nasnet_tf import gpus
from nasnet_tf.children.serving import one_line
from nasnet_tf.children.streams import is_dataset
from nasnet_tf.children.worker import ChildFailed, Stopped, Turn, WorkerLost

__all__ = ["Cluster", "RayWorker"]

_SMALL = 100_000  # bytes of an array that is sent with each call
_CALLS = 8  # before a process is replaced: TensorFlow keeps memory of every network


class Cluster:
    """A Ray cluster that this process is connected to.

    Args:
        address: of the cluster, "auto" for the one that runs on this machine; None starts one here,
            for this process alone.
    A cluster that is started here listens to other machines too, and requires a token: that of
    RAY_AUTH_TOKEN, or a new one.

    Raises: ValueError if Ray is not installed or there is no cluster.
    """

    def __init__(self, address: str | None = None):
        address = address or os.environ.get("RAY_ADDRESS") or "local"
        ray = _imported(starts=address == "local")
        host, _, port = address.removeprefix("ray://").rpartition(":")
        try:
            if port.isdigit():  # Ray would try for minutes
                socket.create_connection((host, int(port)), timeout=10).close()
            ray.init(
                address=address,
                ignore_reinit_error=True,
                log_to_driver=False,
                logging_level="ERROR",
                include_dashboard=False,
                **_paths(address),
            )
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"there is no Ray cluster at {address}: {reason:.200}; start one with `ray start"
                " --head`."
            ) from None
        self.ray, self._stored = ray, {}

    @property
    def processors(self) -> int:
        """Number of processors now, on all machines."""
        return int(self.ray.cluster_resources().get("CPU", 1))

    def stored(self, value):
        """`value`; if it is a large array, a reference to it in the cluster's object store, where
        it is put once.
        """
        if not isinstance(value, np.ndarray) or value.nbytes < _SMALL:
            return value
        if id(value) not in self._stored:
            # with the array, so that no other array gets its id
            self._stored[id(value)] = value, self.ray.put(value)
        return self._stored[id(value)][1]


def _imported(starts):
    """The module. If it `starts` a cluster, that requires a token, unless RAY_AUTH_MODE says
    otherwise.
    """
    ray = sys.modules.get("ray")
    if starts and not (ray and ray.is_initialized()):
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    else:
        starts = False
    before = ray is not None
    try:
        import ray
    except ImportError:
        raise ValueError(
            "Ray is not installed; install nasnet_tf[ray], or leave engine out."
        ) from None
    if starts and before:  # it has read these variables already
        try:
            from ray._raylet import AuthenticationTokenLoader, Config

            Config.initialize("")
            AuthenticationTokenLoader.instance().reset_cache()
        except (ImportError, AttributeError):
            raise ValueError(
                "Ray was imported before it could be given a token; import it after the search"
                " began, set RAY_AUTH_MODE=token before Python starts, or update Ray."
            ) from None
    return ray


def _paths(address):
    """An argument of `ray.init`: workers do not import from this process' current folder, unless
    this process does.
    """
    here = os.path.abspath(os.curdir)
    if address.startswith("ray://") or {"", here} & set(sys.path):
        return {}
    from ray.job_config import JobConfig

    config = JobConfig()
    config._py_driver_sys_path = _Without(here)  # to which Ray adds the current folder
    return {"job_config": config}


class _Without(list):
    """A list whose `extend` leaves one value out."""

    def __init__(self, unwanted):
        super().__init__()
        self._unwanted = unwanted

    def extend(self, values):
        super().extend(value for value in values if value != self._unwanted)


_LOST = ("WorkerCrashedError", "NodeDiedError", "OutOfMemoryError", "ObjectLostError")


class RayWorker:
    """Runs calls in a cluster, one at a time. Replaces a `Worker`.

    Args:
        cluster: a `Cluster`, which several workers may share.
        threads: processors for a call.
        gpus: GPUs for a call; fractions let several calls share one.
    """

    def __init__(self, cluster: Cluster, threads: int | None = None, gpus: float = 0.0):
        self.cluster, self.threads, self.gpus = cluster, threads or 1, gpus
        self.memory_mb = 0.0
        self._stopped, self._task, self._turn = False, None, Turn()
        remote = cluster.ray.remote(
            max_retries=0, num_cpus=self.threads, num_gpus=gpus, max_calls=_CALLS
        )
        self._remote = remote(_call)

    def run(self, function, *args, **kwargs):
        """`function(*args, **kwargs)` in the cluster. Raises: as `Worker.run`; ValueError for a
        `tf.data.Dataset`.
        """
        with self._turn:
            return self._run(function, args, kwargs)

    def _run(self, function, args, kwargs):
        errors, stored = self.cluster.ray.exceptions, self.cluster.stored
        if self._stopped:
            raise Stopped
        places, names = [], []
        for name, value in [*enumerate(args), *kwargs.items()]:
            parts = value if isinstance(value, tuple) else (value,)
            if any(is_dataset(part) for part in parts):
                raise ValueError(
                    "a tf.data.Dataset cannot be sent through a cluster; give arrays, or leave"
                    " engine out."
                )
            names.append((name, len(parts) if isinstance(value, tuple) else None))
            places += [stored(part) for part in parts]
        self._task = self._remote.remote(function, names, *places)
        try:
            return self.cluster.ray.get(self._task)
        except errors.TaskCancelledError:
            raise Stopped from None
        except tuple(getattr(errors, name) for name in _LOST) as error:
            if self._stopped:
                raise Stopped from None
            raise WorkerLost(f"the training process was lost: {one_line(error)}") from None
        except errors.RayTaskError as error:
            raise ChildFailed(one_line(error.cause or error)) from None
        except BaseException:  # interrupted: the result of the call is not needed any more
            self.close()
            raise

    def stop(self):
        """Interrupts the running call, from another thread. The worker cannot be used again."""
        self._stopped = True
        self.close()

    def close(self):
        """Cancels the running call."""
        if self._task is not None:
            self.cluster.ray.cancel(self._task, force=True)


def _call(function, names, *places):
    """Runs in the cluster: reassembles the arguments and calls."""
    gpus.set_defaults()
    places, args, kwargs = iter(places), [], {}
    for name, parts in names:
        value = next(places) if parts is None else tuple(next(places) for _ in range(parts))
        if isinstance(name, int):
            args.append(value)
        else:
            kwargs[name] = value
    return function(*args, **kwargs)
