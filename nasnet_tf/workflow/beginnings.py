"""How a network begins that is trained: from scratch, or with weights."""

from __future__ import annotations

from nasnet_tf.workflow import networks, sources
from nasnet_tf.workflow.catalogue import cost_of, genotype, reads
from nasnet_tf.workflow.recipes import recipe_of

__all__ = ["beginning"]

_WITH_WEIGHTS = ("nasnet_a_mobile", "nasnet_a_large")  # of ImageNet
_FILTERS, _UNITS, _CELLS = 16, 128, 2
_STAGED, _WHOLE = "fine_tune", "fine_tune_all"
_SIZE = ("num_cells", "filters", "stem")


def beginning(options):
    """How the network of the `TrainOptions` begins: `FromScratch` or `WithWeights`."""
    from nasnet_tf import zoo

    model, init, size = options.model, options.init, _size(options)
    if init is not None:
        saved = model is None and str(init).endswith(".keras")
        return _adapted(options) if saved else _loaded(options, size)
    if model is None:
        raise ValueError(
            "give MODEL, such as nasnet_a or best.json, or `init` with the weights to begin with."
        )
    if model not in zoo.list_models():
        return FromScratch(genotype(model), size, model)
    found, own = zoo.models.variant_arguments(model)
    own = {name: value for name, value in own.items() if name not in ("input_shape", "classes")}
    return FromScratch(found, {**own, **size}, model)


def _size(options):
    """What is asked of the size of the network."""
    given = {name: getattr(options, name) for name in _SIZE}
    return {name: value for name, value in given.items() if value is not None}


class FromScratch:
    """A network of a genotype with random weights, made for the data."""

    def __init__(self, genotype, size, name):
        if genotype.sized and size:
            named = " and ".join(f"`{option}`" for option in size)
            raise ValueError(
                f"a network of {genotype.schema} has a size of its own; leave {named} out."
            )
        self.genotype, self.name, self.of_text = genotype, name, reads(genotype) == "text"
        self.recipe = "language" if self.of_text else "short"
        filters = _UNITS if self.of_text else _FILTERS
        self.size = {"num_cells": _CELLS, "filters": filters, **size}

    def data(self, options):
        """What the network is trained on."""
        if self.of_text:
            return sources.read_text(options)
        sources.refuse_text(options, f"{self.name} is trained on pictures")
        return sources.read_pictures(options)

    def check(self, data):
        """Raises before anything is begun."""
        size = {"stem": None, **self.size}
        cost_of(self.genotype, **size, input_shape=data.input_shape, classes=data.classes)

    def network(self, data, recipe):
        """The network for the data."""
        from nasnet_tf.training import network_for

        return network_for(self.genotype, data, recipe, **self.size)


class WithWeights:
    """A network that begins with weights.

    Args:
        make: a function from arguments to the network.
        pixels: a function from the data to the `mean` and `std` that it was trained with.
        image_size: of the pictures unless it is asked for.
        recipe: the name of the one it is trained by unless it is asked for.
    """

    def __init__(self, make, pixels, image_size, channels=3, recipe=_STAGED):
        self.make, self.pixels, self.image_size, self.channels = make, pixels, image_size, channels
        self.recipe = recipe

    def data(self, options):
        """What the network is trained on."""
        sources.refuse_text(options, "the network of `init` is trained on pictures")
        side = options.image_size or self.image_size
        return sources.read_pictures(options, image_size=side, channels=self.channels)

    def check(self, data):
        """Raises before anything is begun."""
        if data.input_shape[-1] != self.channels:
            raise ValueError(
                f"{data.name} has {data.input_shape[-1]} channels, the weights of `init` are for"
                f" {self.channels}."
            )
        self.normalization = self.pixels(data)

    def network(self, data, recipe):
        """The network for the data."""
        from nasnet_tf.training import training_arguments

        trained = training_arguments(recipe, -(-len(data.x_train) // recipe.batch_size))
        # weights go with the epsilon they were trained with
        trained.pop("batch_norm_epsilon", None)
        named = {"classes": data.classes, "class_names": data.class_names}
        return self.make(input_shape=data.input_shape, **named, **self.normalization, **trained)


def _adapted(options):
    """The saved network of `init`, for other classes."""
    from nasnet_tf import zoo

    init = options.init
    source = networks.load_model(init)
    if reads(getattr(source, "genotype", None)) == "text":
        raise ValueError(
            f"{init} is a language model, whose words are those of its text; train from scratch:"
            " give MODEL, without `init`."
        )
    return WithWeights(
        lambda **arguments: zoo.adapt(source, **arguments),
        lambda data: _pixels(options, source, source),
        networks.image_size_of(source),
        source.input_shape[-1],
        _WHOLE if _is_trained_whole(source, options) else _STAGED,
    )


def _is_trained_whole(source, options):
    """Whether compiled kernels can train all of the network: in the same time it learns more than
    Keras teaches a part of it (benchmarks/README.md).
    """
    from nasnet_tf.training.trainers import is_native, kernels_of

    if options.freeze_until or options.auxiliary_head or options.drop_path_rate:
        return False
    is_known = kernels_of(source) is not None
    return is_known and is_native(source.genotype, recipe_of(_WHOLE, options))


def _loaded(options, size):
    """A model of the zoo, or of a genotype, with the weights of `init`."""
    from nasnet_tf import zoo
    from nasnet_tf.zoo.adapt import load_by_class
    from nasnet_tf.zoo.models import variant_arguments

    name, init = options.model or _WITH_WEIGHTS[0], options.init
    if init == "imagenet" and (size or name not in _WITH_WEIGHTS):
        got = ", ".join([name, *(f"{key} = {value}" for key, value in size.items())])
        raise ValueError(
            f"there are ImageNet weights of {' and '.join(_WITH_WEIGHTS)} at their own size; got"
            f" {got}."
        )
    side = variant_arguments(name)[1]["input_shape"][0] if name in zoo.list_models() else None

    def made(**arguments):
        network = zoo.create_model(name, **size, **arguments)
        network.weights_report = load_by_class(network, init)
        return network

    def pixels(data):
        shape = {"input_shape": data.input_shape, "classes": data.classes}
        return _pixels(options, init, zoo.create_model(name, **shape, **size))

    return WithWeights(made, pixels, side)


def _pixels(options, source, model):
    """`mean` and `std` of the images that the weights of `init` were trained on. Raises ValueError
    if nobody says it.
    """
    from nasnet_tf.zoo.adapt import UnknownInput, pixel_statistics

    ends = options.input_range and [float(end) for end in options.input_range.split("..")]
    try:
        return pixel_statistics(source, model, ends)
    except UnknownInput:
        raise ValueError(
            f"{options.init} does not say what images it was trained on; add"
            " `input_range='-1..1'` (as preprocess_input gives them), `input_range='0..1'`, or"
            " `input_range='0..255'`."
        ) from None
