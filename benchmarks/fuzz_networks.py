"""The kinds of file that need TensorFlow to be read, for fuzz.py: weights, saved networks,
checkpoints, pictures.
"""

from __future__ import annotations

import functools
import gzip
import io
import struct
import tarfile
import zipfile
import zlib

import numpy as np
from fuzz_kinds import Kind, kind, tar_of
from mutations import altered, damaged

SMALL = dict(stem="cifar", num_cells=1, filters=4, classes=3, input_shape=(8, 8, 3))
MOBILE = dict(
    stem="imagenet", num_cells=1, filters=4, stem_filters=8, classes=5, input_shape=(64, 64, 3)
)
THEIRS = dict(
    penultimate_filters=96,
    num_blocks=1,
    stem_block_filters=8,
    skip_reduction=False,
    weights=None,
    classes=5,
    input_shape=(64, 64, 3),
)


@functools.cache
def network(mobile=False):
    from nasnet_tf.network import Network

    return Network("nasnet_a", **(MOBILE if mobile else SMALL))


@functools.cache
def theirs():
    from keras.src.applications.nasnet import NASNet

    return NASNet(**THEIRS)


def values(model):
    return [np.asarray(weight).copy() for weight in model.weights]


@kind(".keras", 2, heavy=True)
class KerasFile(Kind):
    checked, command = True, ["info", "{}/m.keras"]

    def make(self, folder):
        from nasnet_tf.genotype import NASBench201
        from nasnet_tf.systems import networks

        cell = NASBench201("nor_conv_1x1", *["none"] * 2, "skip_connect", "none", "none")
        networks.build(cell, num_cells=1, filters=2, input_shape=(8, 8, 3), classes=2).save(
            folder / "m.keras"
        )

    def read(self, folder):
        from nasnet_tf.systems import networks
        from nasnet_tf.zoo.load import load_model

        networks.import_all()
        return values(load_model(folder / "m.keras"))

    def inner(self, content, name, rng, others):
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                members = {name: archive.read(name) for name in archive.namelist()}
        except zipfile.BadZipFile:
            return None
        member = rng.choice(("config.json", "config.json", "model.weights.h5"))
        if member == "config.json":
            members[member] = altered(members[member].decode(), rng).encode("utf-8", "replace")
        else:
            members[member] = damaged(members[member], rng, others)
        return archived(members)

    @functools.cached_property
    def bombs(self):
        blanks = archived(
            {"config.json": b" " * 300_000_000, "metadata.json": b"{}", "model.weights.h5": b""}
        )
        weights = archived(
            {
                "config.json": b"{}",
                "metadata.json": b"{}",
                "model.weights.h5": b"\x89HDF\r\n\x1a\n" + bytes(300_000_000),
            }
        )
        return {
            "blanks": blanks,
            "weights": weights,
            "deep": archived({"config.json": b"[" * 10**6, "model.weights.h5": b""}),
        }


def archived(members):
    text = io.BytesIO()
    with zipfile.ZipFile(text, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return text.getvalue()


class Weights(Kind):
    mobile, file = False, "w.weights.h5"

    def read(self, folder):
        from nasnet_tf.zoo import load_weights

        model = network(self.mobile)
        before = values(model)
        try:
            report = load_weights(model, folder / self.file)
            if not self.checked and not report.verified.startswith("not verified"):
                raise AssertionError(
                    f"of a file without checksums it is said that it is {report.verified}"
                )
            return values(model)
        except BaseException:
            if any(
                not np.array_equal(one, other)
                for one, other in zip(before, values(model), strict=True)
            ):
                raise AssertionError("the model was changed by a file that was refused") from None
            raise


@kind(".weights.h5 of ours", 2, heavy=True)
class OurWeights(Weights):
    checked = True

    def make(self, folder):
        network().save_weights(folder / self.file)


@kind(".weights.h5 of ours (by Keras)", 1, heavy=True)
class OurWeightsByKeras(OurWeights):
    def read(self, folder):
        network().load_weights(folder / self.file)
        return values(network())


@kind(".weights.h5 of keras.applications", 2, heavy=True)
class TheirWeights(Weights):
    mobile = True

    def make(self, folder):
        theirs().save_weights(folder / self.file)


@kind(".h5 of keras.applications", 2, heavy=True)
class TheirModel(Weights):
    mobile, file = True, "NAS.h5"

    def make(self, folder):
        theirs().save(folder / self.file)


@kind("checkpoint", 2, heavy=True)
class Checkpoint(Weights):
    checked, file = True, "c.tar.gz"

    def make(self, folder):
        import tensorflow as tf

        from nasnet_tf.zoo.slim import slim_variables

        arrays = {
            role: np.asarray(variable) for role, variable in slim_variables(network()).items()
        }
        names = sorted(arrays)
        prefix = folder / "model.ckpt"
        tensors = [tf.constant(arrays[name]) for name in names]
        tf.raw_ops.SaveV2(
            prefix=str(prefix),
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=tensors,
        )
        parts = sorted(folder.glob("model.ckpt*"))
        (folder / self.file).write_bytes(tar_of({part.name: part.read_bytes() for part in parts}))
        for part in parts:
            part.unlink()

    def inner(self, content, name, rng, others):
        text = gzip.decompress(content)
        if rng.random() < 0.3:
            return gzip.compress(damaged(text, rng, others), 1)
        with tarfile.open(fileobj=io.BytesIO(text)) as archive:
            members = {member.name: archive.extractfile(member).read() for member in archive}
        member = rng.choice(sorted(members))
        return tar_of({**members, member: damaged(members[member], rng, others)})

    @functools.cached_property
    def bombs(self):
        return {
            "zeros": gzip.compress(tar_of({})[:0] + bytes(400_000_000), 1),
            "data": tar_of(
                {"model.ckpt.data-00000-of-00001": bytes(100_000_000), "model.ckpt.index": b""}
            ),
            "a header": tar_of({"model.ckpt.index": b""}, header=30_000_000),
        }


# ---- pictures ----


class Picture(Kind):
    format, file = "png", "p.png"

    def make(self, folder):
        import tensorflow as tf

        x = np.linspace(0, 255, 12 * 15 * 3).reshape(12, 15, 3).astype(np.uint8)
        if self.format in ("png", "jpeg"):
            text = getattr(tf.io, f"encode_{self.format}")(x).numpy()
        else:
            from PIL import Image

            buffer = io.BytesIO()
            Image.fromarray(x).save(buffer, self.format)
            text = buffer.getvalue()
        (folder / f"p.{self.format}").write_bytes(text)

    def read(self, folder):
        from nasnet_tf.data.images import read_images

        return read_images([folder / f"p.{self.format}"], 8)


def _png(width, height):
    def chunk(name, content):
        return (
            struct.pack(">I", len(content))
            + name
            + content
            + struct.pack(">I", zlib.crc32(name + content))
        )

    rows = zlib.compress(bytes(min((width + 1) * height, 300_000_000)), 9)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )


for _format in ("png", "jpeg", "gif", "bmp", "webp", "tiff"):
    kind(f"picture {_format}", 1, heavy=True)(type("One", (Picture,), {"format": _format}))


def _bombs():
    from fuzz_kinds import KINDS

    KINDS["picture png"].bombs = {
        "16,000 pixels": _png(16_000, 16_000),
        "60,000 pixels": _png(60_000, 60_000),
        "2**31": _png(2**31 - 1, 2**31 - 1),
    }
    start = b"BM" + struct.pack("<IHHI", 54, 0, 0, 54)
    KINDS["picture bmp"].bombs = {
        "2**30": start + struct.pack("<IiiHHIIiiII", 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0)
    }
    frame = b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x00;"
    KINDS["picture gif"].bombs = {
        "65,535": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + frame
    }
    sof = (
        b"\xff\xd8\xff\xc0"
        + struct.pack(">HBHHB", 11, 8, 65535, 65535, 1)
        + b"\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\xff\xd9"
    )
    KINDS["picture jpeg"].bombs = {"65,535": sof}


_bombs()
