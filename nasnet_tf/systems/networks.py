"""The Keras network of a genotype of any system: callers never ask of which."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from nasnet_tf.signatures import refuse_unknown
from nasnet_tf.systems import SYSTEMS, System, system_of

__all__ = ["build", "check", "fitting", "import_all"]


def build(genotype, **arguments):
    """The network of `genotype`, a `keras.Model`.

    Args:
        **arguments: of its network: num_cells, filters, input_shape, classes, mean, std, ... An
            argument that only networks of other systems have (a stem, say) is left out if it asks
            for nothing: None, False or 0. So are num_cells and filters of a `sized` genotype.
    Raises: TypeError for an argument that no network has, with the nearest name; ValueError for one
        that this network does not have and that asks for something, and for a genotype without a
        network.
    """
    arguments = fitting(genotype, "network", _network, arguments)
    return system_of(genotype).network()(genotype, **arguments)


def check(genotype, arguments) -> None:
    """Raises what `build` would for arguments that the network of `genotype` does not have; nothing
    is built.
    """
    fitting(genotype, "network", _network, arguments)


def import_all() -> None:
    """Imports every network, which registers its layers with Keras: do this before a saved network
    of any system is loaded.
    """
    for system in SYSTEMS.values():
        system.network()


def fitting(genotype, what: str, function_of: Callable, arguments: dict) -> dict:
    """`arguments` without those that the system's function does not take and that ask for nothing:
    None, False or 0; see `build`.

    Args:
        what: what the function makes, for messages.
        function_of: of a `System`, the function, or None where it has none.
    """
    function = function_of(system_of(genotype, what))
    if genotype.sized:
        arguments = {
            name: value for name, value in arguments.items() if name not in ("num_cells", "filters")
        }
    taken = _parameters(function)
    if taken is None or arguments.keys() <= set(taken):
        return arguments
    everywhere = [_parameters(other) for other in map(function_of, SYSTEMS.values()) if other]
    if None not in everywhere:
        known = dict.fromkeys([*taken, *(name for names in everywhere for name in names)])
        refuse_unknown(f"a {what} of {genotype.schema}", arguments, known)
    for name in arguments:
        if name not in taken and arguments[name]:
            raise ValueError(
                f"{name} is {arguments[name]!r:.60}, but a {what} of {genotype.schema} has no"
                f" {name}; leave it out."
            )
    return {name: value for name, value in arguments.items() if name in taken}


def _network(system: System):
    return system.network()


def _parameters(function):
    """Names of the arguments besides the genotype that `function` takes; None if it takes any."""
    parameters = list(inspect.signature(function).parameters.values())
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return [parameter.name for parameter in parameters[1:]]
