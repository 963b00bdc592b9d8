"""A trained network with other arguments: the start of fine-tuning."""

from __future__ import annotations

import keras

from nasnet_tf.layers.model import FROZEN
from nasnet_tf.signatures import passes_on
from nasnet_tf.systems.cells.network import Network
from nasnet_tf.zoo import official
from nasnet_tf.zoo.classes import class_names
from nasnet_tf.zoo.load import load_model
from nasnet_tf.zoo.reading import open_source
from nasnet_tf.zoo.slim import slim_variables
from nasnet_tf.zoo.source import OURS
from nasnet_tf.zoo.weights import WeightsReport, load_weights

IMAGENET_RANGE = (-1.0, 1.0)  # of pixels as `nasnet_tf.zoo.preprocess_input` leaves them


class UnknownInput(ValueError):
    """It is not known how the images of a trained network were preprocessed."""


@passes_on(Network, without=("genotype", "num_cells", "filters", "input_tensor"))
def adapt(source, *, input_range="auto", **changes) -> Network:
    """A network like `source` except for `changes`, with its weights wherever they fit. Its inputs
    are images in pixels, 0 to 255.

    The weights of the classifier are matched by the names of the classes; those of other classes,
    and all without names, are initialized. So is a stem for another number of channels.
    `network.weights_report` lists the loaded weights. The normalization of the source (`mean`,
    `std`) and the epsilon of its batch norms are kept.

    Args:
        source: a `Network`, or the path of one saved as `.keras`.
        input_range: of a source that does not normalize its images, the lowest and highest value of
            the pixels it was trained on, such as (-1, 1); by default it is known for ImageNet's
            classes. None: the caller preprocesses the images.
        **changes: arguments of `nasnet_tf.network.Network`: classes, class_names, input_shape,
            dropout_rate, dtype, ...; not the genotype, num_cells or filters. Layers that are frozen
            in `source` are frozen in the network, unless `trainable` is given.
    Raises: TypeError for another argument; ValueError if source is no `Network` or a change makes
        it another network; `UnknownInput`, a ValueError, if its `input_range` is not known.
    """
    model = source if isinstance(source, Network) else load_model(source)
    if not isinstance(model, Network):
        raise ValueError(
            f"{source} holds a {type(model).__name__}, not a Network; see"
            " nasnet_tf.zoo.load_weights for other sources."
        )
    own = model.get_config()
    if "mean" not in changes and input_range is not None:
        changes |= pixel_statistics(model, model, None if input_range == "auto" else input_range)
    config = {**own, "class_names": model.class_names, **changes}
    if "trainable" in changes:
        config.pop(FROZEN, None)
    if (
        "classes" in changes
        and changes["classes"] != own["classes"]
        and "class_names" not in changes
    ):
        config["class_names"] = None
    network = Network.from_config({**config, "genotype": own["genotype"]})
    network.weights_report = load_by_class(network, model, partial=True)
    return network


def pixel_statistics(source, model: Network, input_range=None) -> dict:
    """`mean` and `std` by which a network normalizes pixels as the weights in a source require.

    Args:
        source: as in `nasnet_tf.zoo.load_weights`. The values are known for ImageNet's weights and
            for networks that normalize their inputs.
        model: the network that will have the weights.
        input_range: for other sources; see `adapt`.
    Raises: `UnknownInput` if the values are not known.
    """
    channels, known = model.get_config()["input_shape"][-1], input_range
    if isinstance(source, str) and source == "imagenet":
        known = IMAGENET_RANGE
    else:
        with open_source(source, model) as (_, found):
            if found.facts.get("mean") is not None:
                return {name: found.facts[name] for name in ("mean", "std")}
            if found.layout != OURS or _is_of_imagenet(found.facts.get("class_names")):
                known = input_range or IMAGENET_RANGE
    return _statistics(known, channels, source)


def _is_of_imagenet(names):
    return names is not None and tuple(names) == class_names()


def _statistics(input_range, channels, source):
    if input_range is None:
        named = f"the model {source.name!r}" if isinstance(source, keras.Model) else source
        raise UnknownInput(
            f"{named} does not say what images it was trained on: it has neither mean nor std. Give"
            " the input range, the lowest and highest value of its pixels: -1 and 1 (as"
            " preprocess_input gives them), 0 and 1, or 0 and 255."
        )
    try:
        lowest, highest = map(float, input_range)
    except (TypeError, ValueError):
        lowest = highest = 0.0
    if not lowest < highest:
        raise ValueError(
            f"input_range is {input_range!r}; give the lowest and the highest value of a pixel,"
            " such as (-1, 1)."
        )
    std = 255 / (highest - lowest)
    return {"mean": [-lowest * std] * channels, "std": [std] * channels}


def load_by_class(model: Network, source, partial: bool = False) -> WeightsReport:
    """`load_weights`, with the classifier matched by the names of the classes if `model` has some;
    see `adapt`.
    """
    fresh = {
        role: keras.ops.convert_to_numpy(v).copy()
        for role, v in slim_variables(model).items()
        if "/FC/" in role
    }
    report = load_weights(model, source, partial)
    if model.class_names is None or not fresh:
        return report
    path = (
        official.fetch(official.file_for(model))
        if isinstance(source, str) and source == "imagenet"
        else source
    )
    with open_source(path, model) as (_, found):
        arrays = {role: found.arrays[role].read() for role in fresh if role in found.arrays}
        names = _class_names(source, found, arrays)
    places = {name: place for place, name in reversed(list(enumerate(names)))}
    known = [(own, places[name]) for own, name in enumerate(model.class_names) if name in places]
    if len(known) == len(model.class_names) == len(names) and all(
        own == theirs for own, theirs in known
    ):
        return report
    variables = slim_variables(model)
    for role, values in fresh.items():
        array = arrays.get(role)
        if array is not None and array.shape[:-1] == values.shape[:-1]:
            array = array[..., -len(names) :] if names else array  # a background class is the first
            for own, theirs in known:
                values[..., own] = array[..., theirs]
        variables[role].assign(values)
    why = (
        f"of the model's {len(model.class_names)} classes the source knows {len(known)} by name;"
        " the others begin anew"
    )
    loaded = tuple(role for role in report.loaded if role not in fresh)
    return report._replace(loaded=loaded, kept={**report.kept, **dict.fromkeys(fresh, why)})


def _class_names(source, found, arrays):
    """The names of the classes of a source of weights; none if they are not known."""
    if isinstance(source, keras.Model):
        return tuple(getattr(source, "class_names", None) or ())
    if found.layout == OURS:
        return tuple(found.facts.get("class_names") or ())
    counts = {array.shape[-1] for array in arrays.values()}
    return class_names() if counts and counts <= {1000, 1001} else ()
