"""A network for a data set and a recipe."""

from __future__ import annotations

from nasnet_tf.systems import networks
from nasnet_tf.training.recipe import Recipe


def network_for(genotype, data, recipe: Recipe | None = None, **arguments):
    """The network of `genotype` for the images and classes of `data`, which it normalizes by the
    statistics of the training images, or for its words.

    Args:
        data: a `nasnet_tf.data.DataSet` or a `nasnet_tf.data.Text`.
        recipe: sets auxiliary head, drop path, dropout, weight decay, batch norms and dtype.
        **arguments: of the genotype's network (`nasnet_tf.systems.networks.build`); for one of
            cells the stem is "imagenet" from 64 pixels on unless given; batch norms have the
            settings for short trainings (momentum 0.9, epsilon 1e-5) unless recipe or arguments
            give a momentum.
    Raises: ValueError if the recipe needs something that the network cannot have, such as an
        auxiliary head; TypeError for an unknown argument.
    """
    trained = (
        {}
        if recipe is None
        else training_arguments(recipe, -(-len(data.x_train) // recipe.batch_size))
    )
    if hasattr(data, "network"):
        return networks.build(genotype, **{**data.network, **trained, **arguments})
    described = dict(
        input_shape=data.input_shape,
        classes=data.classes,
        mean=data.mean,
        std=data.std,
        class_names=data.class_names,
    )
    short = dict(batch_norm_momentum=0.9, batch_norm_epsilon=1e-5)
    return networks.build(genotype, **{"stem": None, **short, **described, **trained, **arguments})


def training_arguments(recipe: Recipe, steps: int) -> dict:
    """The arguments of `Network` in `recipe`; an epoch has `steps` steps."""
    norms = (
        {}
        if recipe.batch_norm_momentum is None
        else dict(batch_norm_momentum=recipe.batch_norm_momentum, batch_norm_epsilon=None)
    )
    return dict(
        auxiliary_head=recipe.auxiliary_weight > 0,
        drop_path_rate=recipe.drop_path_rate,
        drop_path_steps=(
            (recipe.head_epochs + recipe.epochs) * steps
            if recipe.epochs and recipe.drop_path_rate
            else None
        ),
        dropout_rate=recipe.dropout_rate,
        weight_decay=recipe.weight_decay,
        gradient_checkpointing=recipe.gradient_checkpointing,
        dtype=recipe.dtype,
        **norms,
    )
