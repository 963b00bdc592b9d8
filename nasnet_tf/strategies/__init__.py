"""How to search: one algorithm a file, each a `Strategy` (protocol.py). NumPy only."""

from nasnet_tf.strategies.aging_evolution import AgingEvolution
from nasnet_tf.strategies.auto import Auto
from nasnet_tf.strategies.local_search import LocalSearch
from nasnet_tf.strategies.one_shot import OneShot
from nasnet_tf.strategies.pairwise_evolution import PairwiseEvolution
from nasnet_tf.strategies.ppo import PPO
from nasnet_tf.strategies.predictor import Predictor
from nasnet_tf.strategies.prescreened import Prescreened, Rejected
from nasnet_tf.strategies.progressive import Progressive
from nasnet_tf.strategies.protocol import Strategy
from nasnet_tf.strategies.random import RandomSearch
from nasnet_tf.strategies.reinforce import Reinforce
from nasnet_tf.strategies.successive_halving import SuccessiveHalving, rungs
from nasnet_tf.strategies.tournament_evolution import TournamentEvolution
from nasnet_tf.strategies.warm_start import WarmStart

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
    "Prescreened",
    "Progressive",
    "RandomSearch",
    "Refused",
    "Reinforce",
    "Rejected",
    "Strategy",
    "SuccessiveHalving",
    "TournamentEvolution",
    "WarmStart",
    "get",
    "rungs",
]

Prejudged, Refused = Prescreened, Rejected  # their former names

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
    """The strategy of that name. Raises ValueError with the known names."""
    try:
        return STRATEGIES[name]
    except KeyError:
        raise ValueError(f"no strategy {name!r}; there are {', '.join(STRATEGIES)}.") from None
