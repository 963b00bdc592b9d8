"""Options of `nasnet-tf search` about what a cell may cost and what is decided before it is
trained.
"""

from __future__ import annotations

import click

from nasnet_tf.cli import options

_WEIGHT = -0.07
_TRIED = 300  # random cells, to see whether a limit can be kept
_COST = click.FloatRange(min=0, min_open=True)
_OPTIONS = (
    click.option(
        "--max-parameters",
        type=options.POSITIVE,
        help="Of the network trained at the end; larger ones are not tried.",
    ),
    click.option(
        "--max-multiply-adds",
        type=options.POSITIVE,
        help="Of the network trained at the end, for one image.",
    ),
    click.option(
        "--max-latency-ms",
        type=_COST,
        help="Of the network trained at the end, for one image, measured here.",
    ),
    click.option(
        "--target-multiply-adds",
        type=options.POSITIVE,
        help="Search by accuracy * (multiply-adds / this) ^ weight.",
    ),
    click.option(
        "--soft-weight",
        type=click.FloatRange(max=0, max_open=True),
        help=f"That weight, below 0.  [default: {_WEIGHT}]",
    ),
    click.option(
        "--prejudge",
        type=click.Choice(["parameters", "synflow", "naswot"]),
        help="Of 4 cells train the best by this score.",
    ),
    click.option(
        "--stop-early",
        is_flag=True,
        help="Stop networks that fall behind the median of those before.",
    ),
)


def limits(command):
    """Gives a command these options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check(config, data, space):
    """Raises ValueError for options that do not go together, and for limits that random cells are
    far from.

    Args:
        space: what is searched.
    """
    if config["soft_weight"] is not None and config["target_multiply_adds"] is None:
        raise ValueError(
            "--soft-weight weighs multiply-adds against a target; give --target-multiply-adds too."
        )
    check_early(config)
    limited = [
        name for name in ("parameters", "multiply_adds") if config[f"max_{name}"] is not None
    ]
    if limited:
        options.start_keras()
        _refuse_impossible(config, limited, space, final_size(data, config))


def check_early(config):
    """Raises ValueError if children are too short to be stopped."""
    if config["stop_early"] and config["child_epochs"] < 3:
        raise ValueError(
            "--stop-early lets the first epoch pass and has nothing to save after the last; give"
            " --child-epochs 3 or more."
        )


def _refuse_impossible(config, limited, space, size):
    import numpy as np

    from nasnet_tf.systems.costs import cost_of

    rng = np.random.default_rng(config["seed"])
    costs = [cost_of(space.decode(space.random(rng)), **size) for _ in range(_TRIED)]
    for name in limited:
        limit, least = config[f"max_{name}"], min(getattr(each, name) for each in costs)
        if least > limit:
            raise ValueError(
                f"--max-{name.replace('_', '-')} is {limit:,}, but the least of {_TRIED} random"
                f" cells at the end is {least:,}; give more, or a smaller --num-cells or --filters."
            )


def final_size(data, config) -> dict:
    """Arguments of `nasnet_tf.systems.costs.cost_of` for the network trained at the end."""
    return options.size(data, config["num_cells"], config["filters"])


def soft_limit(data, config):
    """The `SoftLimit` that is asked for, or None."""
    from nasnet_tf.scores.limits import SoftLimit

    target = config["target_multiply_adds"]
    return (
        None
        if target is None
        else SoftLimit(target, config["soft_weight"] or _WEIGHT, size=final_size(data, config))
    )


def judges(data, config, images, scored) -> dict:
    """The arguments `prejudge` and `stop_early` of a `StrategySearch`.

    Args:
        images: some of the data's, in pixels.
        scored: whether cells are scored before they are trained; the limits hold in any case.
    """
    from nasnet_tf.scores.limits import Limits
    from nasnet_tf.tuners import Prejudge

    limits = Limits(config["max_parameters"], config["max_multiply_adds"], config["max_latency_ms"])
    score = config["prejudge"] if scored else None
    normalized = ((images[:128] - data.mean) / data.std).astype("float32")
    prejudge = (
        Prejudge(limits, final_size(data, config), score, normalized)
        if score or limits != Limits()
        else None
    )
    return {"prejudge": prejudge, **early(config)}


def early(config) -> dict:
    """The argument `stop_early` of a `StrategySearch`."""
    from nasnet_tf.children.early import MedianStopping

    return {"stop_early": MedianStopping() if config["stop_early"] else None}


def facts(config) -> dict[str, str]:
    """What was asked of these options, for the page; nothing if nothing was."""
    names = (
        "max_parameters",
        "max_multiply_adds",
        "max_latency_ms",
        "target_multiply_adds",
        "soft_weight",
        "prejudge",
        "stop_early",
    )
    asked = [
        f"{name.replace('_', ' ')} {config[name]}".removesuffix(" True")
        for name in names
        if config[name] not in (None, False)
    ]
    return {"limits": ", ".join(asked)} if asked else {}
