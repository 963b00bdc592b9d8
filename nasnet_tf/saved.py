"""The files of a model that Keras writes, and their checksums.

A `.keras` file is a zip, which has a checksum of each of its files. HDF5 has none, so the HDF5
files that our networks write (`.weights.h5`, `.h5`) end in a line with the SHA-256 of everything
before it, names and order of the arrays included. HDF5 ignores what follows the end of its data.
"""

from __future__ import annotations

import glob
import os
import pathlib
import zipfile

from nasnet_tf.files import open_regular, parse_json, sha256, sync_folder
from nasnet_tf.npz import UNREADABLE, check_size

__all__ = [
    "CONFIG",
    "NOT_VERIFIED",
    "WEIGHTS",
    "Damaged",
    "Sealed",
    "archive_config",
    "seal",
    "verify",
]

NOT_VERIFIED = "not verified: the file has no checksum"
CONFIG, WEIGHTS = "config.json", "model.weights.h5"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_MARK = b"\nnasnet_tf sha256 "
_LENGTH = len(_MARK) + 64 + 1
_LARGEST_CONFIG = 50_000_000  # bytes; that of NASNet-A large in keras.applications has two million
_MOST_MEMBERS = 1000
_PART = 1 << 20


class Damaged(ValueError):
    """A file is damaged, or no file of a model; the message begins with its name."""


def seal(path: str | os.PathLike) -> None:
    """Adds the checksum to a new file, and flushes the file and its folder to the disk."""
    with open(path, "rb+") as file:
        digest = sha256(file, os.fstat(file.fileno()).st_size)
        file.seek(0, os.SEEK_END)
        file.write(_MARK + digest.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(pathlib.Path(path).parent)


def verify(path: str | os.PathLike) -> str:
    """Verifies the checksums of an HDF5 file or a zip, and returns a description of them;
    `NOT_VERIFIED` if there is none.

    Raises: FileNotFoundError; Damaged if a checksum is wrong, or the file is too large when it is
        unpacked.
    """
    with open_regular(path) as file:
        start = file.peek(len(_HDF5))[: len(_HDF5)]
        if start == _HDF5:
            return _verify_sealed(path, file)
        if start[:2] == b"PK":
            return _verify_archive(path, file)
    return NOT_VERIFIED


def _verify_sealed(path, file):
    size = os.fstat(file.fileno()).st_size - _LENGTH
    file.seek(max(size, 0))
    line = file.read(_LENGTH)
    if not line.startswith(_MARK):
        return NOT_VERIFIED
    if _MARK + sha256(file, size).encode() + b"\n" != line:
        raise Damaged(
            f"{path} is damaged: it is not the file that was written (its SHA-256 is another);"
            " restore a copy of it."
        )
    return "verified: its SHA-256"


def _verify_archive(path, file):
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > _MOST_MEMBERS or len({member.filename for member in members}) < len(
                members
            ):
                raise ValueError(f"it has {len(members)} files, or one of them twice")
            check_size(
                sum(member.file_size for member in members),
                os.fstat(file.fileno()).st_size,
                'model.save("name.keras")',
            )
            for member in members:
                if member.filename.endswith(".json") and member.file_size > _LARGEST_CONFIG:
                    raise ValueError(
                        f"it says that {member.filename} has {member.file_size:,} bytes"
                    )
                with archive.open(member) as packed:  # reading it to its end verifies its checksum
                    while packed.read(_PART):
                        pass
    except UNREADABLE as error:
        raise Damaged(
            f"{path} cannot be read ({str(error).rstrip('.')}); it is cut short, damaged or of"
            " another kind."
        ) from None
    return "verified: its CRC-32"


def archive_config(path: str | os.PathLike) -> dict:
    """The configuration in a `.keras` file that passed `verify`. Raises Damaged."""
    with zipfile.ZipFile(path) as archive:
        if absent := {CONFIG, WEIGHTS} - set(archive.namelist()):
            raise Damaged(
                f"{path} is a zip without {' and '.join(sorted(absent))}: no model that Keras saved"
                " as .keras."
            )
        try:
            config = parse_json(archive.read(CONFIG).decode("utf-8"))
        except ValueError as error:
            raise Damaged(
                f"{path} cannot be read ({CONFIG}: {error}); it is cut short, damaged or of another"
                " kind."
            ) from None
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        raise Damaged(
            f"{path} holds no configuration of a model; give one that Keras saved as .keras."
        )
    return config


class Sealed:
    """A mixin for `keras.Model`, which it must precede: the HDF5 files it writes have a checksum,
    which is verified when they are read.
    """

    def save_weights(self, filepath, overwrite=True, **options):
        """As in Keras; each file of weights has a checksum."""
        with _sealing(filepath):
            super().save_weights(filepath, overwrite=overwrite, **options)

    def save(self, filepath, overwrite=True, **options):
        """As in Keras; a legacy .h5 file has a checksum, as a .keras file always has."""
        with _sealing(filepath):
            super().save(filepath, overwrite=overwrite, **options)

    def load_weights(self, filepath, skip_mismatch=False, **options):
        """As in Keras. Raises ValueError that names the file if its checksum is wrong."""
        one = pathlib.Path(filepath).suffix in (".h5", ".hdf5", ".keras")
        for path in [pathlib.Path(filepath)] if one else _files(filepath):
            if path.exists():
                verify(path)
        super().load_weights(filepath, skip_mismatch=skip_mismatch, **options)


class _sealing:
    """Seals the files that the block writes."""

    def __init__(self, filepath):
        self.filepath = filepath

    def __enter__(self):
        self.before = {path: _state(path) for path in _files(self.filepath, True)}

    def __exit__(self, error, *_):
        if error is None:
            for path in _files(self.filepath, True):
                if (
                    (state := _state(path)) is not None
                    and state != self.before.get(path)
                    and _is_hdf5(path)
                ):
                    seal(path)


def _is_hdf5(path):
    with open_regular(path) as file:
        return file.read(len(_HDF5)) == _HDF5


def _state(path):
    """Properties of a file that change when it is written; None if it does not exist."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _files(filepath, shards=None) -> list[pathlib.Path]:
    """The files of weights that Keras writes to or reads from, given a path.

    Args:
        shards: whether there may be several; None decides by the path.
    """
    path = pathlib.Path(filepath)
    if path.is_dir():  # model.save(folder, zipped=False)
        return [path / WEIGHTS]
    base = path.name.removesuffix(".weights.json" if path.suffix == ".json" else ".weights.h5")
    several = path.suffix == ".json" if shards is None else shards
    return [
        path,
        *(sorted(path.parent.glob(f"{glob.escape(base)}_*.weights.h5")) if several else ()),
    ]
