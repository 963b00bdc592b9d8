"""The chief of Keras Tuner's own way to search on several machines, with a password. Who asks for what is Keras Tuner's.

Set `NASNET_TF_TOKEN` to the same secret for the chief and all workers. Without it a chief serves its own machine only: Keras Tuner's
would give everybody who can reach it trials, and take their results.
"""

from __future__ import annotations

import functools
import hmac
import ipaddress
import os
import time
from concurrent import futures

import grpc
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer

__all__ = ["TOKEN", "introduce", "serve"]

TOKEN = "NASNET_TF_TOKEN"
_METADATA = "nasnet-tf-token"


def serve(oracle, threads=1) -> None:
    """Answers workers at KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT until the search is over and they know.

    Args:
        threads: how many requests may wait for the disk together; Keras Tuner's own oracles bear only one at a time.
    Raises: ValueError if other machines can reach the address and there is no token; OSError if the port is taken.
    """
    host, token = os.environ["KERASTUNER_ORACLE_IP"], os.environ.get(TOKEN, "")
    if not token and not _is_own(host):
        raise ValueError(f"other machines can reach KERASTUNER_ORACLE_IP={host}: set {TOKEN} to the same secret here and for all workers.")
    server = grpc.server(futures.ThreadPoolExecutor(threads), interceptors=[_Doorkeeper(token)])
    servicer = OracleServicer(oracle)
    protos.get_service_grpc().add_OracleServicer_to_server(servicer, server)
    address = f"{host}:{os.environ['KERASTUNER_ORACLE_PORT']}"
    try:
        server.add_insecure_port(address)
    except RuntimeError:
        raise OSError(f"{address} is not to be had: is another chief running? Else set another KERASTUNER_ORACLE_PORT.") from None
    server.start()
    while not servicer.stop_triggered or oracle.ongoing_trials or oracle.tuner_ids:
        time.sleep(1)
    server.stop(grace=5).wait()


def introduce(client) -> None:
    """Lets a worker's `OracleClient` show the token with every request."""
    client.stub = _WithToken(client.stub, os.environ.get(TOKEN, ""))


class _WithToken:
    def __init__(self, stub, token):
        self._stub, self._metadata = stub, ((_METADATA, token),)

    def __getattr__(self, name):
        return functools.partial(self._ask, getattr(self._stub, name))

    def _ask(self, method, *args, **kwargs):
        try:
            return method(*args, metadata=self._metadata, **kwargs)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
                raise
            raise ValueError(f"the chief at {os.environ['KERASTUNER_ORACLE_IP']} has another {TOKEN}; set the same here.") from None


class _Doorkeeper(grpc.ServerInterceptor):
    """Turns away who does not show the token."""

    def __init__(self, token):
        self._token = token.encode()
        self._refusal = grpc.unary_unary_rpc_method_handler(
            lambda _, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, f"{TOKEN} is missing or wrong")
        )

    def intercept_service(self, continuation, details):
        shown = dict(details.invocation_metadata).get(_METADATA, "")
        return continuation(details) if hmac.compare_digest(shown.encode(), self._token) else self._refusal


def _is_own(host):
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
