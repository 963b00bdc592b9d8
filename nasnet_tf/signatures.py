"""Unknown keyword arguments are errors that name the nearest known one."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import TypeVar

__all__ = ["checked", "passes_on", "refuse_unknown"]

F = TypeVar("F", bound=Callable)


def checked(function: F) -> F:
    """A decorator: a call with unknown keyword arguments raises TypeError with the nearest names.

    A function with `**arguments` in its signature is returned unchanged; see `passes_on`.
    """
    signature = inspect.signature(function)
    if _takes_anything(signature):
        return function
    name = function.__qualname__.removesuffix(".__init__")

    @functools.wraps(function)
    def call(*args, **kwargs):
        refuse_unknown(name, kwargs, signature.parameters)
        return function(*args, **kwargs)

    call.__signature__ = signature  # Keras reads the signatures of constructors
    return call


def passes_on(*targets: Callable, without: Iterable[str] = ()) -> Callable[[F], F]:
    """A decorator for a function that passes its `**arguments` on to `targets`: their parameters
    are added to its signature, and other arguments raise TypeError.

    Args:
        without: parameters of the targets that are not added.
    """

    def decorate(function):
        own, kinds = inspect.signature(function), inspect.Parameter
        parameters = {
            name: parameter
            for name, parameter in own.parameters.items()
            if parameter.kind is not kinds.VAR_KEYWORD
        }
        for target in targets:
            for name, parameter in inspect.signature(target).parameters.items():
                if name not in ("self", *without) and parameter.kind not in (
                    kinds.VAR_POSITIONAL,
                    kinds.VAR_KEYWORD,
                ):
                    parameters.setdefault(name, parameter.replace(kind=kinds.KEYWORD_ONLY))
        function.__signature__ = own.replace(parameters=list(parameters.values()))
        return checked(function)

    return decorate


def refuse_unknown(caller: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raises TypeError if `given` has names that `known` lacks, with the nearest for each."""
    known = [name for name in known if name != "self"]
    unknown = [name for name in given if name not in known]
    if not unknown:
        return
    said = []
    for name in unknown:
        near = difflib.get_close_matches(name, known, n=1)
        said.append(f"{name!r}, did you mean {near[0]!r}?" if near else f"{name!r}.")
    others = "" if all(each.endswith("?") for each in said) else f" It takes {', '.join(known)}."
    raise TypeError(f"{caller} takes no argument {' No '.join(said)}{others}")


def _takes_anything(signature):
    return any(
        parameter.kind is inspect.Parameter.VAR_KEYWORD
        for parameter in signature.parameters.values()
    )
