"""A public function or class of the data, the training, the zoo and the strategies takes no unknown
argument, and names the nearest.
"""

import pytest

from nasnet_tf import data, strategies, training, zoo

WRONG = {
    data.load: ("image_sise", "image_size"),
    data.load_text: ("vocabulry", "vocabulary"),
    data.pipeline: ("batchsize", "batch_size"),
    training.train: ("minuts", "minutes"),
    training.Recipe: ("epoch", "epochs"),
    training.KeepBest: ("metrics", "metric"),
    zoo.NASNetA: ("num_cell", "num_cells"),
    zoo.PNASNet5: ("num_cell", "num_cells"),
    zoo.AmoebaNetA: ("num_cell", "num_cells"),
    zoo.create_model: ("num_cell", "num_cells"),
    zoo.list_models: ("pretraned", "pretrained"),
    zoo.load_weights: ("partal", "partial"),
    zoo.preprocess_input: ("dataformat", "data_format"),
    zoo.decode_predictions: ("tops", "top"),
    strategies.Prescreened: ("pools", "pool"),
    strategies.OneShot: ("rankin", "ranking"),
}
SETTINGS = {
    "auto": ("candidate", "candidates"),
    "ppo": ("learning_rat", "learning_rate"),
    "reinforce": ("learning_rat", "learning_rate"),
    "random": ("sed", "seed"),
    "aging-evolution": ("populations", "population"),
    "tournament-evolution": ("repeat", "repeats"),
    "local-search": ("start", "starts"),
    "predictor": ("candidate", "candidates"),
    "progressive": ("beams", "beam"),
    "successive-halving": ("etta", "eta"),
    "pairwise-evolution": ("populations", "population"),
}
WRONG |= {strategies.get(name): wrong for name, wrong in SETTINGS.items()}


@pytest.mark.parametrize("function", WRONG, ids=lambda function: function.__name__)
def test_an_unknown_argument_is_an_error_that_names_the_nearest(function):
    wrong, right = WRONG[function]
    with pytest.raises(
        TypeError, match=f" takes no argument '{wrong}', did you mean '{right}'[?]$"
    ):
        function(**{wrong: 1})


def test_every_strategy_is_checked():
    assert SETTINGS.keys() == strategies.STRATEGIES.keys()


def test_a_variant_of_a_family_takes_no_unknown_argument():
    with pytest.raises(
        TypeError, match="NASNetA takes no argument 'num_cell', did you mean 'num_cells'[?]"
    ):
        zoo.NASNetA("cifar", num_cell=2)
    with pytest.raises(TypeError, match="PPO takes no argument 'clp', did you mean 'clip'[?]"):
        strategies.PPO.paper((2, 2), clp=0.1)


def test_the_former_names_are_kept():
    assert (strategies.Prejudged, strategies.Refused) == (
        strategies.Prescreened,
        strategies.Rejected,
    )
    assert training.KeepBest(figure="val_loss").metric == "val_loss"
