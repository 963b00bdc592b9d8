"""Image classification sets of TensorFlow Datasets, by name."""

from __future__ import annotations

import difflib

import numpy as np

from nasnet_tf.data.arrays import as_images
from nasnet_tf.data.dataset import Part, Parts

__all__ = ["read_tfds"]


def read_tfds(
    wanted: str, name: str, image_size: int | None, default_size: int, data_dir=None
) -> Parts:
    """The parts of the TFDS set `wanted`, downloaded to `data_dir` (by default TFDS's own folder)
    if necessary.

    Images of varying size are resized to `default_size` unless `image_size` is given. Without a
    test split, the validation split is the test part.

    Raises:
        ValueError: if there is no such set, it cannot be downloaded, or is not for image
            classification.
    """
    builder = _builder(wanted, data_dir)
    image, label = _supervised(builder, wanted)
    height, width, _ = builder.info.features[image].shape
    size = image_size or (None if height and width else default_size)
    splits = _prepared(builder, wanted)
    if "train" not in splits:
        raise ValueError(
            f"tfds:{wanted} has no train split (it has {', '.join(builder.info.splits)}); choose a"
            " set that has one."
        )
    parts = {split: _part(builder, split, image, label, size) for split in splits}
    origin = "its test split"
    if "test" not in parts and "validation" in parts:
        parts["test"] = parts.pop("validation")
        origin = "its validation split, as it has no test split (validation is taken from train)"
    class_names = tuple(builder.info.features[label].names)
    vary = not (image_size or (height and width))
    notes = (
        (f"its images vary in size and become {size}x{size}, unless an image size is given",)
        if vary
        else ()
    )
    return Parts(
        name,
        parts["train"],
        parts.get("validation"),
        parts.get("test"),
        class_names,
        flip=True,
        test_origin=origin,
        notes=notes,
    )


def _builder(wanted, data_dir):
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ValueError(
            f"tfds:{wanted} needs TensorFlow Datasets; pip install tensorflow-datasets."
        ) from error
    if not wanted:
        raise ValueError("'tfds:' names no set; write 'tfds:NAME', for example tfds:cifar10.")
    try:
        return tfds.builder(wanted, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        close = difflib.get_close_matches(wanted, tfds.list_builders(with_community_datasets=False))
        hint = (
            f"close ones are {', '.join(close)}"
            if close
            else "https://www.tensorflow.org/datasets/catalog lists them"
        )
        raise ValueError(f"TensorFlow Datasets has no set named {wanted!r}; {hint}.") from error
    except Exception as error:  # an unknown config or version: TFDS has no common error class
        raise ValueError(
            f"TensorFlow Datasets cannot open {wanted!r}: {_first_line(error)}."
        ) from error


def _supervised(builder, wanted):
    """The keys of the image and of the label."""
    import tensorflow_datasets as tfds

    keys, features = builder.info.supervised_keys, builder.info.features
    if keys and len(keys) == 2 and keys[0] in features and keys[1] in features:
        if isinstance(features[keys[0]], tfds.features.Image) and isinstance(
            features[keys[1]], tfds.features.ClassLabel
        ):
            if features[keys[0]].shape[-1] in (1, 3):
                return keys
    raise ValueError(
        f"tfds:{wanted} is not for image classification (1 or 3 channels, one class an image);"
        " choose a set that is."
    )


def _prepared(builder, wanted):
    """Downloads what is missing. Returns the names of the splits that are used."""
    try:
        builder.download_and_prepare()
        known = builder.info.splits or ("train", "test")  # empty only under tfds.testing.mock_data
        return [split for split in ("train", "test", "validation") if split in known]
    # network, disk, checksum, manual download, a missing package: there is no common error class
    except Exception as error:
        raise ValueError(
            f"tfds:{wanted} could not be downloaded or prepared ({_first_line(error)}); check the"
            " network, or give data_dir the folder of a copy that was prepared elsewhere."
        ) from error


def _part(builder, split, image, label, size):
    """A split as arrays, in TFDS's order, which is always the same if files are not shuffled."""
    import tensorflow as tf

    from nasnet_tf.data.images import scaled

    data = builder.as_dataset(split=split, shuffle_files=False)
    data = data.map(lambda item: (item[image], item[label]), num_parallel_calls=tf.data.AUTOTUNE)
    if size:
        dtype = builder.info.features[image].np_dtype
        data = data.map(
            lambda x, y: (scaled(x, size, dtype), y), num_parallel_calls=tf.data.AUTOTUNE
        )
    batches = list(data.batch(256).as_numpy_iterator())
    labels = np.concatenate([y for _, y in batches]).astype(np.int32)
    if labels.min() < 0:
        raise ValueError(
            f"the {split} split of {builder.name} has images without a label; it cannot be used."
        )
    return Part(
        as_images(np.concatenate([x for x, _ in batches]), f"the {split} split of {builder.name}"),
        labels,
    )


def _first_line(error):
    text = str(error).strip()
    return (text.splitlines()[0] if text else type(error).__name__)[:300].rstrip(".")
