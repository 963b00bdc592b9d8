"""How to search: one algorithm a file, each a `Strategy` (protocol.py). NumPy only."""

from .aging_evolution import AgingEvolution
from .auto import Auto
from .local_search import LocalSearch
from .one_shot import OneShot
from .pairwise_evolution import PairwiseEvolution
from .policy_gradient import PPO, Reinforce
from .predictor import Predictor
from .prejudged import Prejudged, Refused
from .progressive import Progressive
from .protocol import Strategy
from .random import RandomSearch
from .successive_halving import SuccessiveHalving, rungs
from .tournament_evolution import TournamentEvolution

__all__ = [
    "PPO",
    "STRATEGIES",
    "AgingEvolution",
    "Auto",
    "LocalSearch",
    "OneShot",
    "PairwiseEvolution",
    "Predictor",
    "Prejudged",
    "Progressive",
    "RandomSearch",
    "Refused",
    "Reinforce",
    "Strategy",
    "SuccessiveHalving",
    "TournamentEvolution",
    "get",
    "rungs",
]

STRATEGIES = {
    strategy.name: strategy
    for strategy in (
        Auto,
        PPO,
        Reinforce,
        RandomSearch,
        AgingEvolution,
        TournamentEvolution,
        LocalSearch,
        Predictor,
        Progressive,
        SuccessiveHalving,
        PairwiseEvolution,
    )
}


def get(name: str) -> type[Strategy]:
    """The strategy of that name. Raises ValueError with the names there are."""
    try:
        return STRATEGIES[name]
    except KeyError:
        raise ValueError(f"no strategy {name!r}; there are {', '.join(STRATEGIES)}.") from None
