"""How to search: one algorithm a file, each a `Strategy` (protocol.py). NumPy only."""

from .one_shot import OneShot
from .policy_gradient import PPO, Reinforce
from .protocol import Strategy
from .random import RandomSearch

__all__ = ["PPO", "STRATEGIES", "OneShot", "RandomSearch", "Reinforce", "Strategy", "get"]

STRATEGIES = {strategy.name: strategy for strategy in (PPO, Reinforce, RandomSearch)}


def get(name: str) -> type[Strategy]:
    """The strategy of that name. Raises ValueError with the names there are."""
    try:
        return STRATEGIES[name]
    except KeyError:
        raise ValueError(f"no strategy {name!r}; there are {', '.join(STRATEGIES)}.") from None
