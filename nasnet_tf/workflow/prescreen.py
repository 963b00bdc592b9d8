"""What is decided of a cell before it is trained, and of a child while it is: limits, untrained
scores, early stopping.
"""

from __future__ import annotations

import statistics

from nasnet_tf.workflow.catalogue import cost_arguments, cost_of
from nasnet_tf.workflow.options import SOFT_WEIGHT

# (N, F) of networks under limits, the most costly first
_SIZES = ((2, 16), (2, 12), (1, 12), (1, 8), (1, 4))
_SAMPLED = 30  # random cells, to see how large one is
_TRIED = 300  # random cells, to see whether a limit can be kept
_LEAST_EPOCHS = 3  # of children that may be stopped early
_MINIBATCH = 128  # images for a score
_NAMES = (
    "max_parameters",
    "max_multiply_adds",
    "max_latency_ms",
    "target_multiply_adds",
    "soft_weight",
    "prejudge",
    "stop_early",
)
OF_PICTURES = _NAMES[:-1]


def check(options, data, space):
    """Raises ValueError for options that do not go together, and for limits that random cells are
    far from.

    Args:
        space: what is searched.
    """
    if options.soft_weight is not None and options.target_multiply_adds is None:
        raise ValueError(
            "`soft_weight` weighs multiply-adds against a target; give `target_multiply_adds` too."
        )
    check_early(options)
    if options.prejudge is not None:
        from nasnet_tf.scores.zero_cost import check_backend

        check_backend(options.prejudge)
    counts = ("parameters", "multiply_adds")
    limited = [name for name in counts if getattr(options, f"max_{name}") is not None]
    if limited:
        _refuse_impossible(options, limited, space, final_size(data, options))


def check_early(options):
    """Raises ValueError if children are too short to be stopped."""
    if options.stop_early and options.child_epochs < _LEAST_EPOCHS:
        raise ValueError(
            "`stop_early` lets the first epoch pass and has nothing to save after the last; give"
            f" `child_epochs={_LEAST_EPOCHS}` or more."
        )


def _refuse_impossible(options, limited, space, size):
    import numpy as np

    rng = np.random.default_rng(options.seed)
    costs = [cost_of(space.decode(space.random(rng)), **size) for _ in range(_TRIED)]
    for name in limited:
        limit, least = getattr(options, f"max_{name}"), min(getattr(each, name) for each in costs)
        if least > limit:
            raise ValueError(
                f"`max_{name}` is {limit:,}, but the least of {_TRIED} random cells at the end is"
                f" {least:,}; give more, or a smaller `num_cells` or `filters`."
            )


def with_fitting_size(options, data, space):
    """The options with the largest size at which half of all cells keep to the limits of parameters
    and multiply-adds; the smallest one where there is none.
    """
    import numpy as np

    limits = [(name, getattr(options, f"max_{name}")) for name in ("parameters", "multiply_adds")]
    limits = [(name, limit) for name, limit in limits if limit is not None]
    if not limits or options.num_cells is None:
        return options
    rng = np.random.default_rng(options.seed)
    cells = [space.decode(space.random(rng)) for _ in range(_SAMPLED)]
    for size in _SIZES:
        costs = [cost_of(cell, **cost_arguments(data, *size)) for cell in cells]
        if all(_median(costs, name) <= limit for name, limit in limits):
            break
    num_cells, filters = size
    child = {"child_cells": min(options.child_cells, num_cells)}
    child["child_filters"] = min(options.child_filters, filters)
    return options.replaced(num_cells=num_cells, filters=filters, **child)


def _median(costs, name):
    return statistics.median(getattr(cost, name) for cost in costs)


def final_size(data, options) -> dict:
    """Arguments of `cost_of` for the network trained at the end."""
    return cost_arguments(data, options.num_cells, options.filters)


def soft_limit(data, options):
    """The `SoftLimit` that is asked for, or None."""
    from nasnet_tf.scores.limits import SoftLimit

    target, weight = options.target_multiply_adds, options.soft_weight or SOFT_WEIGHT
    return None if target is None else SoftLimit(target, weight, size=final_size(data, options))


def prescreen(data, options, images, scored) -> dict:
    """The arguments `limits`, `size`, `score` and `images` of what screens cells; {} where nothing
    is to be screened.

    Args:
        images: some of the data's, in pixels.
        scored: whether cells are scored before they are trained; the limits hold in any case.
    """
    from nasnet_tf.scores.limits import Limits

    limits = Limits(options.max_parameters, options.max_multiply_adds, options.max_latency_ms)
    score = options.prejudge if scored else None
    if not score and limits == Limits():
        return {}
    normalized = ((images[:_MINIBATCH] - data.mean) / data.std).astype("float32")
    return {
        "limits": limits,
        "size": final_size(data, options),
        "score": score,
        "images": normalized,
    }


def facts(options) -> dict[str, str]:
    """What was asked of these options, for the page; nothing if nothing was."""
    given = {name: getattr(options, name) for name in _NAMES}
    asked = [
        f"{name.replace('_', ' ')} {value}".removesuffix(" True")
        for name, value in given.items()
        if value not in (None, False)
    ]
    return {"limits": ", ".join(asked)} if asked else {}
