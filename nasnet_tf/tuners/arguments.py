"""Arguments of a tuner that do not go together."""

from __future__ import annotations

import os

__all__ = ["check_arguments"]


def check_arguments(
    trains, isolation, workers, engine, overwrite, executions_per_trial, distribution_strategy
) -> None:
    """Raises ValueError for arguments of a `CellTuner` that it cannot work by.

    Args:
        trains: what trains a trial: a hypermodel, or a tuner of its own `run_trial`.
    """
    if trains is None:
        raise ValueError(
            "Received `hypermodel=None`, so nobody says what a trial is; give one, such as"
            " nasnet_tf.tuners.CellHyperModel, or override run_trial(trial, ...) in a subclass."
        )
    if not isinstance(executions_per_trial, int) or executions_per_trial < 1:
        raise ValueError(
            f"executions_per_trial is {executions_per_trial!r}; give how often each child is"
            " trained, at least 1."
        )
    if distribution_strategy is not None and (
        isolation == "process" or workers != 1 or engine != "local"
    ):
        raise ValueError(
            "distribution_strategy holds devices of this process, so children are trained here,"
            " one at a time; leave isolation, workers and engine out."
        )
    if isolation not in ("auto", "process", "none"):
        raise ValueError(f'isolation is {isolation!r}; give "auto", "process" or "none".')
    if not isinstance(workers, int) or workers < 1:
        raise ValueError(
            f"workers is {workers!r}; give how many children are trained side by side, at least 1."
        )
    if workers > 1 and isolation == "none":
        raise ValueError(
            f"workers is {workers}, which needs a process each; leave isolation out, or make"
            " workers 1."
        )
    if engine not in ("local", "ray"):
        raise ValueError(f'engine is {engine!r}; give "local" or "ray".')
    if engine == "ray" and isolation == "none":
        raise ValueError('isolation is "none", which trains here; leave it out with engine "ray".')
    if (
        overwrite
        and "KERASTUNER_ORACLE_IP" in os.environ
        and "chief" not in os.environ.get("KERASTUNER_TUNER_ID", "")
    ):
        raise ValueError(
            "overwrite=True on a worker would delete the trials of the whole search; set it on"
            " the chief alone."
        )
