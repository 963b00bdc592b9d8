"""Recipes: how a network is trained, as data; in a JSON file, or one of `RECIPES`.

Sources: Zoph et al. 2017, arXiv 1707.07012, appendix A; the authors' TF-slim code
(slim/nets/nasnet/nasnet.py and its header, slim/train_image_classifier.py). What neither states is
said in a recipe's `source`.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import os

from nasnet_tf.files import parse_json, read_small
from nasnet_tf.signatures import checked
from nasnet_tf.training.recipe_fields import check

SCHEMA = "nasnet_tf.recipe"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a network is trained. `dataclasses.replace(recipe, epochs=5)` changes it.

    Args:
        epochs: passes over the training images; None for a training by time.
        batch_size: images per step; `learning_rate` is for this many (see `scaled`).
        optimizer: "sgd"; "rmsprop", that of TensorFlow 1, whose average of squares starts at one;
            or "adam".
        momentum: of each optimizer; for adam its first decay.
        rho: of rmsprop; for adam its second decay.
        epsilon: of rmsprop, inside the square root; of adam, outside.
        gradient_accumulation_steps: batches whose mean gradient makes one step of the optimizer,
            where a batch as large as wanted does not fit in memory; `learning_rate` is for all of
            them together.
        clip_norm: the global norm to which gradients are clipped; None for no clipping.
        learning_rate: the highest.
        schedule: "cosine" to 0; "exponential", times `decay_rate` every `decay_epochs` in steps; or
            "constant".
        warmup_epochs: over which the rate first rises from 0.
        weight_decay: weight of the L2 loss in the paper's form, weight_decay * sum(W^2) / 2.
        label_smoothing: share of the target spread over all classes.
        average_weights: momentum of the average of the weights that is validated and kept at the
            end; 0 for none.
        auxiliary_weight: of the auxiliary head's loss; 0 for no such head.
        drop_path_rate, dropout_rate: see `nasnet_tf.systems.cells.network.Network`; drop path rises
            over the whole training.
        batch_norm_momentum: None keeps the network's.
        augmentation: "standard" (crops of the padded image, flips where a mirrored image is of the
            same class), "adaptive" (standard, and strong changes of a share of the images, which
            grows while the network does more than 5 points better on training images than on
            validation images), "inception" (distorted boxes, flips, brightness and saturation) or
            "none".
        rand_augment: magnitude of two changes of every image, drawn at random from fourteen
            (RandAugment), 0 to 1; 0 for none.
        cutout: side of the hole in pixels; 0 for none.
        mixup: of the beta distribution by which each image is mixed with another one (0.2 for
            little, 1 for much); 0 for no mixing.
        class_weights: "balanced" weighs each class by the inverse of its share.
        freeze_until: name of the first layer that is trained, such as "reduction_cell_1"; the
            layers before it are frozen.
        freeze_batch_norms: whether all batch norms are frozen.
        head_epochs, head_learning_rate: of a first phase, which trains the classifier alone.
        dtype: "float32", "mixed_float16" or "mixed_bfloat16".
        gradient_checkpointing: compute the inside of every cell twice, which takes time and saves
            memory.
        source: the source of these settings.
    Raises: ValueError that names the field.
    """

    epochs: int | None = None
    batch_size: int = 32
    gradient_accumulation_steps: int = 1
    optimizer: str = "sgd"
    momentum: float = 0.9
    rho: float = 0.9
    epsilon: float = 1.0
    clip_norm: float | None = 5.0
    learning_rate: float = 0.05
    schedule: str = "cosine"
    decay_rate: float = 0.97
    decay_epochs: float = 2.4
    warmup_epochs: float = 0.0
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    average_weights: float = 0.0
    auxiliary_weight: float = 0.0
    drop_path_rate: float = 0.0
    dropout_rate: float = 0.0
    batch_norm_momentum: float | None = None
    augmentation: str = "standard"
    rand_augment: float = 0.0
    cutout: int = 0
    mixup: float = 0.0
    class_weights: str | None = None
    freeze_until: str | None = None
    freeze_batch_norms: bool = False
    head_epochs: int = 0
    head_learning_rate: float = 0.05
    dtype: str = "float32"
    gradient_checkpointing: bool = False
    source: str = ""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            check(field.name, getattr(self, field.name), field.type)
        if self.epochs and self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"warmup_epochs is {self.warmup_epochs} of {self.epochs} epochs; give fewer."
            )

    def scaled(self, batch_size: int) -> Recipe:
        """The recipe for another batch size, its rates in proportion (Goyal et al. 2017, arXiv
        1706.02677).
        """
        rates = {
            name: getattr(self, name) * batch_size / self.batch_size
            for name in ("learning_rate", "head_learning_rate")
        }
        return dataclasses.replace(self, batch_size=batch_size, **rates)

    def to_json(self) -> str:
        """The recipe as JSON text: schema, version and every field."""
        return (
            json.dumps({"schema": SCHEMA, "version": 1, **dataclasses.asdict(self)}, indent=1)
            + "\n"
        )

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """The recipe of a JSON text; missing fields have their defaults. Raises ValueError that
        names the field.
        """
        try:
            fields = parse_json(text)
        except ValueError as error:
            raise ValueError(f"a recipe is a JSON object; this is no JSON: {error}") from None
        if (
            not isinstance(fields, dict)
            or fields.pop("schema", SCHEMA) != SCHEMA
            or fields.pop("version", 1) != 1
        ):
            raise ValueError(
                f'a recipe is a JSON object with "schema": "{SCHEMA}" and "version": 1; this one is'
                " not."
            )
        known = [field.name for field in dataclasses.fields(cls)]
        for name in fields:
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                raise ValueError(
                    f"a recipe has no field {name!r:.60}; "
                    + (f"is it {close[0]}?" if close else f"there are {', '.join(known)}.")
                )
        return cls(**fields)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Recipe:
        """The recipe in the JSON file at `path`. Raises ValueError that names the file."""
        try:
            text = read_small(path).decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(
                f"{path}: cannot be read ({error}); give a recipe's JSON file, or one of"
                f" {', '.join(RECIPES)}."
            ) from None
        try:
            return cls.from_json(text)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


Recipe.__init__ = checked(Recipe.__init__)


def get(name) -> Recipe:
    """The recipe of that name, or in the JSON file at that path. Raises ValueError."""
    return (
        name
        if isinstance(name, Recipe)
        else RECIPES[name]
        if name in RECIPES
        else Recipe.load(name)
    )


_SLIM = (
    "Zoph et al. 2017, arXiv 1707.07012, appendix A, and the header of slim/nets/nasnet/nasnet.py"
)
_IMAGENET = dict(
    epochs=312,
    batch_size=1600,
    optimizer="rmsprop",
    clip_norm=10.0,
    schedule="exponential",
    label_smoothing=0.1,
    average_weights=0.9999,
    auxiliary_weight=0.4,
    dropout_rate=0.5,
    batch_norm_momentum=0.9997,
    augmentation="inception",
)
_IMAGENET_SOURCE = (
    f"{_SLIM}: 100 or 50 replicas of 16 or 32 images, rate 0.015 * 100 or 0.04 * 50; RMSProp"
    " momentum 0.9 is slim's default, not in the paper; 312 epochs are its 250,000 steps of 1600"
    " images"
)
RECIPES = {
    "short": Recipe(
        source=(
            "chosen for short trainings on small sets; SGD, cosine and clipping as in appendix A.6"
            " of the paper"
        )
    ),
    "cifar": Recipe(
        epochs=600,
        learning_rate=0.025,
        auxiliary_weight=0.4,
        drop_path_rate=0.4,
        batch_norm_momentum=0.9,
        cutout=16,
        source=(
            f"{_SLIM}; the paper gives no size for its cutout, 16 pixels are those of adanet's"
            " research/improve_nas"
        ),
    ),
    "imagenet_mobile": Recipe(
        **_IMAGENET, learning_rate=2.0, weight_decay=4e-5, source=_IMAGENET_SOURCE
    ),
    "imagenet_large": Recipe(
        **_IMAGENET,
        learning_rate=1.5,
        weight_decay=5e-5,
        drop_path_rate=0.3,
        source=_IMAGENET_SOURCE,
    ),
    "child": Recipe(
        epochs=20,
        learning_rate=0.025,
        batch_norm_momentum=0.9,
        source=(
            f"{_SLIM}: 20 epochs, cosine, momentum 0.9; it states no rate, batch size or decay,"
            " these are of the cifar recipe"
        ),
    ),
    "fine_tune": Recipe(
        epochs=10,
        learning_rate=0.01,
        clip_norm=5.0,
        weight_decay=4e-5,
        label_smoothing=0.1,
        head_epochs=2,
        head_learning_rate=0.05,
        freeze_until="reduction_cell_0",
        freeze_batch_norms=True,
        augmentation="inception",
        source=(
            "common practice, not the paper's: the classifier first, then the upper two thirds,"
            " batch norms frozen"
        ),
    ),
    "fine_tune_all": Recipe(
        epochs=10,
        source=(
            "chosen for networks that compiled kernels train on a processor: all layers at once, as"
            ' by "short"'
        ),
    ),
    "language": Recipe(
        batch_size=50,
        optimizer="adam",
        rho=0.999,
        epsilon=1e-7,
        clip_norm=1.0,
        learning_rate=0.01,
        weight_decay=0.0,
        dropout_rate=0.3,
        augmentation="none",
        source="chosen for language models on small texts, without a search for better numbers",
    ),
}
