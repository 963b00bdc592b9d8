"""HDF5 files that Keras writes, read safely: links out of the file are refused, and arrays are read
when they are needed.

Two layouts: the legacy one (attributes layer_names and weight_names, at the root or in the group
model_weights) and that of Keras 3 (groups layers/conv2d_1/vars, numbered within each class of
layer).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
from collections.abc import Iterator

import h5py
import ml_dtypes
import numpy as np

from nasnet_tf.npz import check_size
from nasnet_tf.zoo.source import Layer, SourceError, Stored

# NASNet-A large with its optimizer has some 10,000 objects on 8 levels
_MOST_OBJECTS, _MOST_LEVELS = 100_000, 40
# bytes that an array declares for each one stored, beyond a megabyte
_MOST_EXPANSION, _SMALL = 1000, 1 << 20
_CHECKPOINT_ROOTS = ("layers", "_layer_checkpoint_dependencies")  # the latter up to Keras 2.15


@contextlib.contextmanager
def datasets(path) -> Iterator[tuple[h5py.File, dict[str, h5py.Dataset]]]:
    """Opens the HDF5 file at `path`: the file, and its datasets by their path in it."""
    with h5py.File(path, "r") as root:
        found = _walk(root)
        try:
            check_size(
                sum(dataset.nbytes for dataset in found.values()),
                os.path.getsize(path),
                "Keras, which packs no arrays",
            )
        except ValueError as error:
            raise SourceError(f"cannot be read: {error}.") from None
        yield root, found


def _walk(root):
    found, groups, seen = {}, [("", root)], 0
    while groups:
        path, group = groups.pop()
        for name in group:
            seen += 1
            if seen > _MOST_OBJECTS or path.count("/") > _MOST_LEVELS:
                raise SourceError("is no file of a network: its groups go on and on.")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise SourceError(
                    f"has a link at {path}{name}, which is not followed; write a file that holds"
                    " its arrays itself."
                )
            thing = group[name]
            if isinstance(thing, h5py.Group):
                groups.append((f"{path}{name}/", thing))
            elif isinstance(thing, h5py.Dataset):
                found[path + name] = _checked(path + name, thing)
    return found


def _checked(path, dataset):
    if dataset.external or dataset.is_virtual:
        raise SourceError(
            f"keeps {path} in another file, which is not read; write a file that holds its arrays"
            " itself."
        )
    if (
        dataset.shape is None
        or dataset.nbytes > _SMALL + _MOST_EXPANSION * dataset.id.get_storage_size()
    ):
        raise SourceError(
            f"says that {path} is {dataset.shape}, but does not hold so many numbers: it is"
            " damaged."
        )
    return dataset


def has_checksums(found: dict[str, h5py.Dataset]) -> bool:
    """Whether every weight has a Fletcher-32 checksum, which HDF5 checks; names and shapes have
    none.
    """
    weights = [dataset for dataset in found.values() if is_weight(dataset)]
    return bool(weights) and all(dataset.fletcher32 for dataset in weights)


def is_weight(dataset: h5py.Dataset) -> bool:
    """Whether it holds weights rather than a counter or the state of a random generator."""
    return len(dataset.shape) > 0 and (dataset.dtype.kind == "f" or _is_bfloat16(dataset))


def stored(dataset: h5py.Dataset) -> Stored:
    """The array of `dataset`, which is read later."""

    def read():
        array = dataset[...]
        return array.view(ml_dtypes.bfloat16) if _is_bfloat16(dataset) else array

    return Stored(dataset.shape, read)


def _is_bfloat16(dataset):  # HDF5 has no such type: Keras stores two bytes and a remark
    return dataset.attrs.get("dtype") == "bfloat16" and dataset.dtype == np.dtype("V2")


def is_legacy(root: h5py.File) -> bool:
    """Whether `root` has the legacy layout, of a model or of its weights."""
    return _has_names(_legacy_group(root))


def legacy_layers(root: h5py.File, found: dict[str, h5py.Dataset]) -> list[Layer]:
    """The layers of a file in the legacy layout, in its order, those of nested models included."""
    group, layers = _legacy_group(root), []
    prefix = "model_weights/" if group is not root else ""
    for layer in _names(group, "layer_names"):
        names = _names(group[layer], "weight_names")
        absent = [name for name in names if f"{prefix}{layer}/{name}" not in found]
        if absent:
            raise SourceError(
                f"names the array {absent[0]} of layer {layer}, but does not hold it: it is"
                " damaged."
            )
        arrays = {name: stored(found[f"{prefix}{layer}/{name}"]) for name in names}
        layers += (
            [Layer(layer, tuple(arrays.values()))] if len(arrays) <= 4 else _inner_layers(arrays)
        )
    return layers


def _inner_layers(arrays):
    inner = {}
    for name, array in arrays.items():  # "normal_A_block_0/normal_bn_1_0/gamma:0"
        inner.setdefault(name.split("/")[-2] if "/" in name else name, []).append(array)
    return [Layer(layer, tuple(its)) for layer, its in inner.items()]


def legacy_config(root: h5py.File) -> dict:
    """The configuration of a whole model in the legacy layout; empty for weights alone."""
    return json.loads(root.attrs.get("model_config", "{}")).get("config", {})


def _legacy_group(root):
    group = root.get("model_weights")
    return group if isinstance(group, h5py.Group) and _has_names(group) else root


def _has_names(group):
    return "layer_names" in group.attrs or "layer_names0" in group.attrs


def _names(group, attribute):
    """A list of names, which Keras splits over several attributes if it is too long for one."""
    numbered = itertools.takewhile(
        lambda part: part in group.attrs, (f"{attribute}{number}" for number in itertools.count())
    )
    parts = [attribute] if attribute in group.attrs else numbered
    return [
        name.decode() if isinstance(name, bytes) else str(name)
        for part in parts
        for name in group.attrs[part]
    ]


def checkpoint_layers(
    root: h5py.File, found: dict[str, h5py.Dataset], names: dict[str, str]
) -> list[Layer]:
    """The layers of a file in the layout of Keras 3, ordered within each class of layer.

    Args:
        names: {group: layer's name}, for the files of older releases, which do not have the names.
    """
    groups = {}
    for path, dataset in found.items():
        place = re.fullmatch(rf"((?:{'|'.join(_CHECKPOINT_ROOTS)})/.+)/vars/(\d+)", path)
        # a nested model may have an optimizer of its own
        if place and is_weight(dataset) and "/optimizer/" not in path:
            groups.setdefault(place[1], {})[int(place[2])] = stored(dataset)
    layers = []
    for group in sorted(groups, key=_position):
        name = root[f"{group}/vars"].attrs.get("name")
        name = name if isinstance(name, str) else names.get(group.rsplit("/", 1)[-1])
        layers.append(Layer(name, tuple(array for _, array in sorted(groups[group].items()))))
    return layers


def _position(group):
    parts = [re.fullmatch(r"(.*?)(?:_(\d+))?", part) for part in group.split("/")]
    return [(part[1], int(part[2] or 0)) for part in parts]
