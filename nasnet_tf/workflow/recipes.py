"""The recipe of a training, with what is asked in place of its fields."""

from __future__ import annotations

import dataclasses

__all__ = ["recipe_of"]

_HEAD_SHARE = 3  # one in so many epochs at most is of the classifier alone
_AUXILIARY_WEIGHT = 0.4
# Options that replace a field of the recipe.
_FIELDS = (
    "learning_rate",
    "weight_decay",
    "drop_path_rate",
    "freeze_until",
    "dtype",
    "gradient_checkpointing",
)


def recipe_of(name, options):
    """The recipe of that name or file, with what the `TrainOptions` say."""
    from nasnet_tf.training import recipe as recipes

    if options.epochs and options.minutes:
        raise ValueError(
            f"got `epochs={options.epochs}` and `minutes={options.minutes:g}`; give one of them."
        )
    chosen = recipes.get(name)
    if options.batch_size:
        chosen = chosen.scaled(options.batch_size)
    given = {field: getattr(options, field) for field in _FIELDS}
    replaced = {field: value for field, value in given.items() if value is not None}
    if options.auxiliary_head is not None:
        weight = chosen.auxiliary_weight or _AUXILIARY_WEIGHT
        replaced["auxiliary_weight"] = weight if options.auxiliary_head else 0.0
    if options.epochs or options.minutes:
        replaced |= _lengths(options.epochs, chosen.head_epochs)
    return dataclasses.replace(chosen, **replaced)


def _lengths(epochs, head_epochs):
    """The epochs of both phases, where `epochs` are those of both together."""
    if not epochs or not head_epochs:
        return {"epochs": epochs}
    head = min(head_epochs, epochs // _HEAD_SHARE)
    return {"head_epochs": head, "epochs": epochs - head}
