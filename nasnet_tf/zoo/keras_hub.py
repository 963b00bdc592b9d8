"""Our networks as a KerasHub backbone, for KerasHub's classifiers, segmenters and detectors. Needs
keras-hub, which is optional.

Source: KerasHub's `Backbone` and `FeaturePyramidBackbone` (keras_hub/src/models), read at 0.32.0.
"""

from __future__ import annotations

import json

import keras

from nasnet_tf.layers.model import FROZEN, freeze, frozen
from nasnet_tf.layers.operations import PACKAGE
from nasnet_tf.saved import Sealed
from nasnet_tf.signatures import checked
from nasnet_tf.systems.cells.genotype import Genotype
from nasnet_tf.systems.cells.network import Network
from nasnet_tf.systems.cells.published import NASNET_A
from nasnet_tf.systems.costs import cost
from nasnet_tf.zoo.models import create_model, list_models, variant_arguments

try:
    from keras_hub import models
except ModuleNotFoundError as error:
    if error.name != "keras_hub":
        raise
    raise ImportError(
        "nasnet_tf.zoo.keras_hub needs KerasHub, which is not installed: pip install keras-hub"
    ) from None

__all__ = ["NASNetBackbone", "NASNetImageClassifier"]

_ARGUMENTS = ("num_cells", "filters", "stem", "stem_filters", "skip_reduction")
_NAMES = [name for name in list_models() if name.startswith("nasnet_a")]
_PRESETS = {
    name: {key: value for key, value in variant_arguments(name)[1].items() if key in _ARGUMENTS}
    for name in _NAMES
}


def _described(name, arguments):
    """The entry of a preset in KerasHub; without a "kaggle_handle", because its weights are not on
    Kaggle.
    """
    description = f"NASNet-A {name.removeprefix('nasnet_a_')}, without a classifier."
    return {
        "metadata": {
            "description": description,
            "params": cost(NASNET_A, include_top=False, **arguments).parameters,
        }
    }


@keras.saving.register_keras_serializable(PACKAGE)
class NASNetBackbone(Sealed, models.FeaturePyramidBackbone):
    """The cells of a `nasnet_tf.systems.cells.network.Network` without its classifier.

    Inputs: preprocessed images (batch, height, width, channels); NASNet-A takes pixels scaled to
        -1 ... 1.
    Returns: features after the last ReLU, (batch, height', width', channels'). `pyramid_outputs`
        holds the last cell's output of each resolution, before a ReLU: "P2" to "P5" (strides 4 to
        32) with the imagenet stem, "P0" to "P2" (1 to 4) with the cifar stem.

    Args:
        genotype: the name of a published one ("nasnet_a"), a `Genotype`, or the dict of its JSON.
        num_cells, filters, stem, stem_filters, skip_reduction: as
            `nasnet_tf.systems.cells.network.Network`.
        image_shape: (height, width, channels); height and width may be None.
        data_format: None or "channels_last"; there is no other.
        dtype, trainable, name: as in `keras.Model`.
    Raises: ValueError or TypeError that names the argument.

    Its layers are those of a `Network` of the same arguments without `include_top`:
    `set_weights(network.get_weights())` fills it.
    """

    # In place of KerasHub's registry, whose presets must be on Kaggle.
    presets = {name: _described(name, arguments) for name, arguments in _PRESETS.items()}

    @checked
    def __init__(
        self,
        genotype="nasnet_a",
        num_cells=4,
        filters=44,
        stem="imagenet",
        stem_filters=None,
        skip_reduction=False,
        image_shape=(None, None, 3),
        data_format=None,
        dtype=None,
        trainable=True,
        name=None,
    ):
        _check_data_format(data_format)
        network = Network(
            _genotype(genotype),
            num_cells=num_cells,
            filters=filters,
            stem=stem,
            stem_filters=stem_filters,
            skip_reduction=skip_reduction,
            input_shape=image_shape,
            include_top=False,
            dtype=dtype,
        )
        super().__init__(
            inputs=network.input,
            outputs=network.output,
            dtype=dtype,
            trainable=trainable,
            name=name,
        )
        self.genotype = network.genotype
        self.num_cells = tuple(num_cells) if isinstance(num_cells, list) else num_cells
        self.filters, self.stem = filters, stem
        self.stem_filters, self.skip_reduction = stem_filters, skip_reduction
        self.image_shape = network.input.shape[1:]
        self.data_format = "channels_last"  # KerasHub's heads read it
        self.pyramid_outputs = dict(network.pyramid_outputs)

    def get_config(self):
        own = {key: getattr(self, key) for key in (*_ARGUMENTS, "image_shape")}
        return {
            **super().get_config(),
            "genotype": json.loads(self.genotype.to_json()),
            **own,
            **frozen(self),
        }

    @classmethod
    def from_config(cls, config):
        backbone = super().from_config(
            {name: value for name, value in config.items() if name != FROZEN}
        )
        freeze(backbone, config.get(FROZEN))
        return backbone

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """A backbone by name, from a folder that `save_to_preset` wrote, or from a hub.

        Args:
            preset: a name of `presets`, such as "nasnet_a_mobile"; else as in KerasHub.
            load_weights: ImageNet's, which mobile and large have; give False for the others.
            **kwargs: arguments of the constructor, in place of the preset's.
        Raises: ValueError if there are no weights.
        """
        if preset not in _PRESETS:
            return super().from_preset(preset, load_weights=load_weights, **kwargs)
        backbone = cls(**{**_PRESETS[preset], **kwargs})
        if load_weights:
            network = create_model(
                preset, include_top=False, weights="imagenet", input_shape=backbone.image_shape
            )
            backbone.set_weights(network.get_weights())
        return backbone


@keras.saving.register_keras_serializable(PACKAGE)
class NASNetImageClassifier(models.ImageClassifier):
    """KerasHub's `ImageClassifier` on a `NASNetBackbone`. Arguments as there; without a
    preprocessor it takes what the backbone takes.

    Its presets are read by `keras_hub.models.ImageClassifier.from_preset` too, where this module is
    imported. KerasHub cannot read a preset with the head of its base class `ImageClassifier`
    itself, on any backbone.
    """

    backbone_cls = NASNetBackbone

    def __init__(self, backbone, num_classes=None, **kwargs):
        if num_classes is None:
            raise ValueError(
                "num_classes is missing. A preset that was saved as KerasHub's own ImageClassifier"
                " has no head that KerasHub can read: save a NASNetImageClassifier instead, or give"
                " num_classes for a new head."
            )
        super().__init__(backbone=backbone, num_classes=num_classes, **kwargs)


def _genotype(value):
    if isinstance(value, dict):
        return Genotype.from_json(json.dumps(value))
    if not isinstance(value, str | Genotype):
        raise TypeError(
            f"genotype is {value!r:.80}; give the name of a published one, a Genotype, or the dict"
            " of its JSON."
        )
    return value


def _check_data_format(data_format):
    """Raises ValueError unless `data_format`, and that of Keras, is channels last."""
    for name, value in {
        "data_format": data_format,
        "Keras's image_data_format": keras.config.image_data_format(),
    }.items():
        if value not in (None, "channels_last"):
            raise ValueError(
                f"{name} is {value!r}; a NASNetBackbone takes images as (height, width, channels)"
                " only: leave data_format out, and set"
                ' keras.config.set_image_data_format("channels_last").'
            )
