"""The values that the fields of a `Recipe` can have."""

from __future__ import annotations

_CHOICES = {
    "optimizer": ("sgd", "rmsprop", "adam"),
    "schedule": ("cosine", "exponential", "constant"),
    "augmentation": ("standard", "adaptive", "inception", "none"),
    "class_weights": ("balanced", None),
    "dtype": ("float32", "mixed_float16", "mixed_bfloat16"),
}
_KINDS = {
    "float": ("a number", (int, float)),
    "int": ("a whole number", int),
    "bool": ("true or false", bool),
    "str": ("text", str),
}
_LARGEST = 1e12
_LIMITS = {  # of which fields, in words and in numbers
    "of at least 1": (
        ("epochs", "batch_size", "gradient_accumulation_steps"),
        lambda value: value >= 1,
    ),
    "above 0": (
        ("learning_rate", "head_learning_rate", "clip_norm", "decay_epochs"),
        lambda value: value > 0,
    ),
    "of at least 0": (
        (
            "epsilon",
            "warmup_epochs",
            "weight_decay",
            "auxiliary_weight",
            "cutout",
            "mixup",
            "head_epochs",
        ),
        lambda value: value >= 0,
    ),
    "above 0 and at most 1": (("decay_rate",), lambda value: 0 < value <= 1),
    "from 0 to 1": (("rand_augment",), lambda value: 0 <= value <= 1),
    "of at least 0 and below 1": (
        (
            "momentum",
            "rho",
            "label_smoothing",
            "average_weights",
            "drop_path_rate",
            "dropout_rate",
            "batch_norm_momentum",
        ),
        lambda value: 0 <= value < 1,
    ),
}


def check(name: str, value, annotation: str) -> None:
    """Raises ValueError unless `value` is one that the field with this annotation can have."""
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise ValueError(
                f"{name} is {value!r:.60}; there are {', '.join(map(str, _CHOICES[name]))}."
            )
        return
    kind, *optional = annotation.split(" | ")
    if value is None and optional:
        return
    words, types = _KINDS[kind]
    if not isinstance(value, types) or isinstance(value, bool) != (kind == "bool"):
        raise ValueError(f"{name} is {value!r:.60}; give {words}.")
    for limit, (names, holds) in _LIMITS.items():
        if name in names and not (holds(value) and value <= _LARGEST):
            raise ValueError(f"{name} is {value!r:.60}; give a number {limit}.")
