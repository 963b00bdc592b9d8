"""The data of a search, a training or an evaluation: by name, as a data set, or as arrays."""

from __future__ import annotations

import os

__all__ = ["is_text", "read_pictures", "read_text", "refuse_text", "text_defaults"]

_TEXT = {"level": "word", "vocabulary": 10_000, "steps": 35}
_VALIDATION = 0.1  # of the training images
_OF_PICTURES = ("image_size", "data_dir", "skip_broken")


def is_text(data) -> bool:
    """Whether the data are a text: a file of one, or a `nasnet_tf.data.Text`."""
    from nasnet_tf.data import text

    return text.is_text(os.fspath(data)) if _is_named(data) else isinstance(data, text.Text)


def refuse_text(options, why: str) -> None:
    """Raises ValueError for options about texts, and for a text, where pictures are wanted."""
    options.refuse(_TEXT, "is for a text, which recurrent cells are searched and trained on")
    if is_text(options.data):
        raise ValueError(f"{options.data} is a text, but {why}.")


def text_defaults(options) -> dict:
    """How a text is read unless it is said. Raises ValueError if it is read already."""
    if _is_named(options.data):
        return dict(_TEXT)
    options.refuse(_TEXT, "is for a text that is read from a file")
    return {}


def read_text(options, words=None, **how):
    """The text that the options name.

    Args:
        words: the vocabulary of a trained network.
        **how: level and steps in place of those of the options.
    """
    from nasnet_tf.data import load_text

    if not is_text(options.data):
        raise ValueError(
            f"{options.data} is no text file; recurrent cells are searched and trained on one, such"
            " as text.txt."
        )
    options.refuse(_OF_PICTURES, "is for pictures")
    if not _is_named(options.data):
        return options.data
    given = {name: getattr(options, name, None) or value for name, value in _TEXT.items()} | how
    given["most"] = given.pop("vocabulary")
    return load_text(os.fspath(options.data), **given, vocabulary=words)


def read_pictures(options, **how):
    """The pictures that the options name.

    Args:
        **how: further arguments of `nasnet_tf.data.load`, for data that are not in parts yet.
    """
    from nasnet_tf import data as datasets
    from nasnet_tf.data.known import in_classes

    data, side = options.data, getattr(options, "image_size", None)
    if _is_named(data):
        given = {"image_size": side, "seed": options.seed, "data_dir": options.data_dir, **how}
        return datasets.load(os.fspath(data), skip_broken=bool(options.skip_broken), **given)
    options.refuse(_OF_PICTURES, "is for data that are read from files")
    if not isinstance(data, datasets.DataSet):
        data = _from_arrays(data, how.get("validation", _VALIDATION), options.seed)
    classes = how.get("classes")
    return data if classes is None else in_classes(data, classes)


def _from_arrays(data, validation, seed):
    """The data set of ((x_train, y_train), (x_test, y_test)), or of the first pair alone."""
    from nasnet_tf.data.arrays import as_images, as_labels
    from nasnet_tf.data.dataset import Part, Parts
    from nasnet_tf.data.split import divide

    try:
        pairs = dict(zip(("train", "test"), data, strict=False))
        x = {kind: as_images(images, f"x_{kind}") for kind, (images, _) in pairs.items()}
        raw = {kind: labels for kind, (_, labels) in pairs.items()}
    except TypeError:
        raise TypeError(
            f"data is {type(data).__name__}; give the name of data, a data set, or"
            " ((x_train, y_train), (x_test, y_test))."
        ) from None
    y, class_names = as_labels(raw, None, "the arrays")
    parts = {kind: Part(x[kind], y[kind]) for kind in x}
    test = parts.get("test")
    return divide(
        Parts("arrays", parts["train"], None, test, class_names, flip=True, named=False),
        validation,
        seed,
    )


def _is_named(data):
    return isinstance(data, str | os.PathLike)
