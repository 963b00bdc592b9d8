"""A search of any kind that is interrupted, twice, proposes and scores what it would have."""

import keras_tuner
import pytest

from nasnet_tf.spaces import (
    DNASpace,
    HierarchicalSpace,
    LayerwiseSpace,
    NASBench201Space,
    NASNetSpace,
)
from nasnet_tf.tuners import CellHyperModel, StrategySearch

# {system: (space, strategy, settings)}
SYSTEMS = {
    "cells": (NASNetSpace(2), "ppo", {}),
    "cells, epochs": (NASNetSpace(2), "successive-halving", {"epochs": (1, 2, 4)}),
    "edges": (NASBench201Space(), "auto", {}),
    "layers": (LayerwiseSpace(6, fewest=4), "reinforce", {"minibatch": 3, "every": 10}),
    "motifs": (HierarchicalSpace(), "tournament-evolution", {"initial": 5}),
    "dna": (DNASpace(), "pairwise-evolution", {"population": 4}),
}
TRIALS = 30


class Told(StrategySearch):
    """Trains nothing: a network is worth what its key says."""

    ends_at = TRIALS  # the first trial that it begins of this number or more breaks it off

    def run_trial(self, trial, *args, **kwargs):
        if int(trial.trial_id) >= self.ends_at:
            raise KeyboardInterrupt
        genotype = self.hypermodel.genotype(trial.hyperparameters)
        return {"reward": int(genotype.canonical_key(), 16) % 997 / 997}


def told(folder, system, ends_at=TRIALS):
    space, strategy, settings = SYSTEMS[system]
    tuner = Told(
        CellHyperModel((8, 8, 1), 2, space=space),
        keras_tuner.Objective("reward", "max"),
        TRIALS,
        strategy=strategy,
        settings=settings,
        seed=3,
        directory=str(folder),
        project_name="s",
    )
    tuner.ends_at = ends_at
    return tuner


def ended(tuner):
    trials = [tuner.oracle.trials[number] for number in tuner.oracle.end_order]
    return [(trial.trial_id, trial.hyperparameters.values, trial.score) for trial in trials]


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_search_that_was_interrupted_goes_on_as_if_it_had_not(tmp_path, system):
    whole = told(tmp_path / "whole", system)
    whole.search(verbose=0)
    for number in (4, 21):
        killed = told(tmp_path / "killed", system, number)
        with pytest.raises(KeyboardInterrupt):
            killed.search(verbose=0)
        killed.oracle.close()
    again = told(tmp_path / "killed", system)
    again.search(verbose=0)
    assert ended(again) == ended(whole) and len(ended(whole)) == TRIALS
