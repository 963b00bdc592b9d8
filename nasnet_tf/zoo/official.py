"""The ImageNet weights that Keras publishes for NASNet-A mobile and large: which there are, where
they are, how to tell them.

Source: `keras.applications` (keras/src/applications/nasnet.py, Keras 3.15), for addresses and
checksums.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
from typing import NamedTuple

import keras

from nasnet_tf.systems.cells.network import Network
from nasnet_tf.systems.cells.published import NASNET_A
from nasnet_tf.systems.stages import stage_cells
from nasnet_tf.zoo.source import SourceError

BASE_URL = "https://storage.googleapis.com/tensorflow/keras-applications/nasnet/"


class Variant(NamedTuple):
    """A network with published weights."""

    num_cells: int
    filters: int
    stem_filters: int
    skip_reduction: bool


class File(NamedTuple):
    """A published file: its published name, its name in Keras' cache, its MD5."""

    name: str
    cached_as: str
    md5: str


VARIANTS = {"mobile": Variant(4, 44, 32, False), "large": Variant(6, 168, 96, True)}
FILES = {  # by variant and by whether it holds the classifier
    ("mobile", True): File(
        "NASNet-mobile.h5", "nasnet_mobile.h5", "020fb642bf7360b370c678b08e0adf61"
    ),
    ("mobile", False): File(
        "NASNet-mobile-no-top.h5", "nasnet_mobile_no_top.h5", "1ed92395b5b598bdda52abe5c0dbfd63"
    ),
    ("large", True): File("NASNet-large.h5", "nasnet_large.h5", "11577c9a518f0070763c2b964a382f17"),
    ("large", False): File(
        "NASNet-large-no-top.h5", "nasnet_large_no_top.h5", "d81d89dc07e6e56530c4e77faddd61b5"
    ),
}


def file_for(model: Network) -> File:
    """The file for `model`: with the classifier if the model has one of 1000 classes.

    Raises: ValueError if there are no weights for `model`.
    """
    config = model.get_config()
    variant = Variant(
        config["num_cells"],
        config["filters"],
        config["stem_filters"] or 32,
        config["skip_reduction"],
    )
    variant = variant._replace(num_cells=_single(stage_cells(variant.num_cells)))
    name = next((name for name, known in VARIANTS.items() if known == variant), None)
    if (
        name is None
        or model.genotype != NASNET_A
        or config["stem"] != "imagenet"
        or config["input_shape"][-1] != 3
    ):
        kinds = " and ".join(f"{name} ({_described(known)})" for name, known in VARIANTS.items())
        raise ValueError(
            f"there are ImageNet weights of NASNet-A {kinds}, with the imagenet stem and 3"
            f" channels; this is {_named(model, variant)}."
        )
    return FILES[name, config["include_top"] and config["classes"] == 1000]


def _single(stages):
    return stages[0] if len(set(stages)) == 1 else stages


def _described(variant):
    return ", ".join(f"{key}={value}" for key, value in variant._asdict().items())


def _named(model, variant):
    kind = "NASNet-A" if model.genotype == NASNET_A else "another genotype"
    config = model.get_config()
    return (
        f"{kind} with {_described(variant)}, the {config['stem']} stem and"
        f" {config['input_shape'][-1]} channels"
    )


def fetch(file: File) -> pathlib.Path:
    """The path of the file, downloaded unless it is in Keras' cache.

    Raises: ValueError that says what to do without a connection. The cache is then unchanged.
    """
    home = os.environ.get("KERAS_HOME") or os.path.join(
        "~" if os.access(os.path.expanduser("~"), os.W_OK) else "/tmp", ".keras"
    )
    place = pathlib.Path(home, "models", file.cached_as).expanduser()
    try:
        with _aside(place, file.md5):
            return pathlib.Path(
                keras.utils.get_file(
                    file.cached_as, BASE_URL + file.name, cache_subdir="models", file_hash=file.md5
                )
            )
    except Exception as error:  # get_file raises a bare Exception where there is no connection
        raise ValueError(
            f"the ImageNet weights could not be downloaded ({error}). Download"
            f" {BASE_URL}{file.name} elsewhere and put it at {place}, or "
            f'give its path: weights="/path/{file.name}". Its MD5 is {file.md5}.'
        ) from error


@contextlib.contextmanager
def _aside(place, md5):
    """Moves a file with another checksum away during a download, which removes it even if the
    download fails.
    """
    if not place.is_file() or _md5(place) == md5:
        yield
        return
    kept = place.with_name(place.name + ".other")
    os.replace(place, kept)
    try:
        yield
    except BaseException:
        os.replace(kept, place)
        raise
    kept.unlink() if place.is_file() else os.replace(kept, place)


def check(path: pathlib.Path) -> str | None:
    """ "verified: ..." if the file is a published one; None if it has another name. Raises
    SourceError if it has the name of a published file but another content.
    """
    for file in FILES.values():
        if path.name in (file.name, file.cached_as):
            found = _md5(path)
            if found != file.md5:
                raise SourceError(
                    f"has the name of a file that Keras publishes but not its MD5 ({found}, not"
                    f" {file.md5}): it is damaged or cut short. Download it again from"
                    f" {BASE_URL}{file.name}, or rename it if it is a file of your own."
                )
            return "verified: its published MD5"
    return None


def _md5(path):
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
