"""The chief of Keras Tuner's own way to search on several machines, with a password. Who asks for
what is Keras Tuner's.

A chief serves only who shows its token: the value of `NASNET_TF_TOKEN`, or one that it makes,
prints and leaves in the search's folder for processes of the same user. Keras Tuner's would give
everybody who can reach it trials, and take their results.

A worker says with its requests which of its tuners holds the trial; only the one that the trial was
given to may tell its figures.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
import pathlib
import re
import secrets
import sys
import time
from concurrent import futures

import grpc
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer

from nasnet_tf.files import open_regular, replacing
from nasnet_tf.tuners.oracle import LeaseLost

__all__ = ["TOKEN", "introduce", "serve"]

TOKEN = "NASNET_TF_TOKEN"
_FILE = "chief.token"  # in the folder of the search
_SHOWN, _HOLDER = "nasnet-tf-token", "nasnet-tf-tuner"  # metadata of a request


def serve(oracle, threads=1) -> None:
    """Answers workers at KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT until the search is over
    and they know.

    Without a token in NASNET_TF_TOKEN one is made, printed on standard error, and left in the
    search's folder, where only processes of the same user can read it.

    Args:
        threads: how many requests may wait for the disk together; Keras Tuner's own oracles bear
            only one at a time.
    Raises: ValueError if the token cannot be sent; OSError if the port is taken.
    """
    address = f"{os.environ['KERASTUNER_ORACLE_IP']}:{os.environ['KERASTUNER_ORACLE_PORT']}"
    token = _given() or _made(pathlib.Path(oracle._project_dir) / _FILE)
    server = grpc.server(futures.ThreadPoolExecutor(threads), interceptors=[_Doorkeeper(token)])
    servicer = _Servicer(oracle)
    protos.get_service_grpc().add_OracleServicer_to_server(servicer, server)
    try:
        server.add_insecure_port(address)
    except RuntimeError:
        raise OSError(
            f"{address} is not to be had: is another chief running? Else set another"
            " KERASTUNER_ORACLE_PORT."
        ) from None
    server.start()
    while not servicer.stop_triggered or oracle.ongoing_trials or oracle.tuner_ids:
        time.sleep(1)
    server.stop(grace=5).wait()


def introduce(client, folder=None) -> None:
    """Lets a worker's `OracleClient` show the token with every request, and say which of its tuners
    asks.

    Args:
        folder: of the search; where NASNET_TF_TOKEN is not set, the token that the chief made is
            looked for there.
    """
    client.stub = _Introduced(client.stub, None if folder is None else pathlib.Path(folder) / _FILE)


def _given():
    """The token of the environment; "" if there is none."""
    token = os.environ.get(TOKEN, "")
    if not re.fullmatch(r"[!-~]*", token):
        raise ValueError(
            f"{TOKEN} has blanks, or letters that are not ASCII; give one such as"
            f" {secrets.token_hex(16)}."
        )
    return token


def _made(path):
    """The token in the file, which a chief before this one made, or a new one; tells the user."""
    token = _read(path)
    if not token:
        token = secrets.token_hex(32)
        with (
            replacing(path) as temporary,
            open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file,
        ):
            file.write(token)
    print(
        f"This chief serves only workers that show its token. Those of this user that see {path}"
        f" find it there; for others set\n    export {TOKEN}={token}",
        file=sys.stderr,
        flush=True,
    )
    return token


def _read(path):
    """The token in a file that nobody else can have written or read; "" if there is no such
    file.
    """
    try:
        with open_regular(path) as file:
            status, token = os.fstat(file.fileno()), file.read(100).decode("ascii", "replace")
    except (OSError, ValueError):
        return ""
    own = not hasattr(os, "geteuid") or (
        status.st_uid == os.geteuid() and not status.st_mode & 0o077
    )
    return token if own and re.fullmatch(r"[0-9a-f]{64}", token) else ""


class _Introduced:
    """A stub whose requests show the token, and of trials who holds them."""

    def __init__(self, stub, file):
        self._stub, self._file = stub, file
        self._holders = {}  # number of a trial: id of the tuner it was given to

    def __getattr__(self, name):
        return functools.partial(self._ask, name, getattr(self._stub, name))

    def _ask(self, name, method, request, **kwargs):
        trial = getattr(request, "trial_id", None) or getattr(
            getattr(request, "trial", None), "trial_id", ""
        )
        holder = getattr(request, "tuner_id", None) or self._holders.get(trial, "")
        token = self._token()
        while True:
            try:
                response = method(request, metadata=((_SHOWN, token), (_HOLDER, holder)), **kwargs)
                break
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.PERMISSION_DENIED:
                    raise LeaseLost(error.details()) from None
                if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
                    raise
                shown, token = token, self._token()
                if shown == token:  # else the chief had not made it yet
                    where = os.environ["KERASTUNER_ORACLE_IP"]
                    raise ValueError(
                        f"the chief at {where} has another {TOKEN}; set the same here, it prints"
                        " which."
                    ) from None
        if name == "CreateTrial":
            self._holders[response.trial.trial_id] = holder
        return response

    def _token(self):
        return _given() or (_read(self._file) if self._file is not None else "")


class _Doorkeeper(grpc.ServerInterceptor):
    """Turns away who does not show the token."""

    def __init__(self, token):
        self._token = _digest(token)
        self._refusal = grpc.unary_unary_rpc_method_handler(
            lambda _, context: context.abort(
                grpc.StatusCode.UNAUTHENTICATED, f"{TOKEN} is missing or wrong"
            )
        )

    def intercept_service(self, continuation, details):
        shown = _metadata(details.invocation_metadata, _SHOWN)
        return (
            continuation(details)
            if hmac.compare_digest(_digest(shown), self._token)
            else self._refusal
        )


class _Servicer(OracleServicer):
    """Keras Tuner's, which lets only the tuner that holds a trial tell what became of it, and keep
    it by signs of life.
    """

    def UpdateTrial(self, request, context):
        self._check_holder(request.trial_id, context)
        return super().UpdateTrial(request, context)

    def EndTrial(self, request, context):
        self._check_holder(request.trial.trial_id, context)
        return super().EndTrial(request, context)

    def GetTrial(self, request, context):
        if hasattr(self.oracle, "renew"):
            self.oracle.renew(request.trial_id, _metadata(context.invocation_metadata(), _HOLDER))
        return super().GetTrial(request, context)

    def _check_holder(self, number, context):
        tuner_id = _metadata(context.invocation_metadata(), _HOLDER)
        if hasattr(self.oracle, "renew"):
            self.oracle.renew(number, tuner_id)  # it may come back with what it has done meanwhile
        held = self.oracle.ongoing_trials.get(tuner_id)
        if held is None or held.trial_id != number:
            who = (
                f"{tuner_id} does not hold trial {number}"
                if tuner_id
                else f"whoever asks does not hold trial {number}"
            )
            context.abort(grpc.StatusCode.PERMISSION_DENIED, f"{who}; what it tells is not taken")


def _metadata(pairs, name):
    return dict(pairs or ()).get(name, "")


def _digest(token):
    """So that tokens of any length take the same time to compare."""
    return hashlib.sha256(token.encode()).digest()
