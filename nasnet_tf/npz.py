"""NumPy's .npz files, read within bounds: nothing is unpickled, no array is larger than its file
can hold, every checksum is verified.

`numpy.load` allocates what a header declares, however small the file, and does not verify the
checksum of an array whose header declares too few bytes.
"""

from __future__ import annotations

import lzma
import math
import os
import tokenize
import zipfile
import zlib

import numpy as np

from nasnet_tf.files import open_regular

__all__ = ["UNREADABLE", "check_size", "read_npz"]

_MOST_EXPANSION = 50  # unpacked bytes for each one in the file
_ALWAYS = 128 << 20  # unpacked bytes that are always allowed
_MOST_MEMBERS = 100_000
# The errors of zipfile, its decompressors and NumPy for a file that is no .npz, truncated,
# encrypted, or has Python objects.
UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    IndexError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    OverflowError,
    SyntaxError,
    TypeError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npz(path: str | os.PathLike, wanted=None, names=None) -> dict[str, np.ndarray]:
    """The arrays of the .npz file at `path` by name.

    Args:
        wanted: the names to read; None reads all. Names that are not in the file are ignored.
        names: a list to which the names of all arrays in the file are added.
    Raises: FileNotFoundError; ValueError that names the file if it is no .npz file, is damaged, or
        is too large when it is unpacked.
    """
    with open_regular(path) as file:
        try:
            if file.peek(6)[:6] == b"\x93NUMPY":
                raise ValueError("it holds a single array (.npy)")
            with zipfile.ZipFile(file) as archive:
                members = _members(archive)
                if names is not None:
                    names += members
                members = {
                    name: member
                    for name, member in members.items()
                    if wanted is None or name in wanted
                }
                check_size(
                    sum(member.file_size for member in members.values()),
                    os.fstat(file.fileno()).st_size,
                    "numpy.savez",
                )
                return {name: _array(archive, name, member) for name, member in members.items()}
        except UNREADABLE as error:
            reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
            raise ValueError(f"{path} is not a readable .npz file ({reason:.300}).") from error


def check_size(unpacked: int, size: int, how: str) -> None:
    """Raises ValueError if `unpacked` bytes are too many for a packed file of `size` bytes, or more
    than the free memory.

    Args:
        how: a function that writes such a file unpacked, for the message.
    """
    if unpacked > max(_ALWAYS, _MOST_EXPANSION * size):
        raise ValueError(
            f"it unpacks from {size:,} to {unpacked:,} bytes, more than {_MOST_EXPANSION} for each;"
            f" if that is right, write it by {how}"
        )
    free = _free_memory()
    if unpacked > free:
        raise ValueError(
            f"it takes {unpacked:,} bytes of memory, of which {free:,} are free; give a smaller one"
        )


def _free_memory() -> float:
    try:
        with open("/proc/meminfo") as file:
            return next(
                1024 * int(line.split()[1]) for line in file if line.startswith("MemAvailable")
            )
    except (OSError, StopIteration):  # not Linux
        return math.inf


def _members(archive):
    members = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if name in members or len(members) >= _MOST_MEMBERS:
            raise ValueError(
                f"it has {name!r:.60} twice"
                if name in members
                else f"it has more than {_MOST_MEMBERS:,} arrays"
            )
        members[name] = member
    return members


def _array(archive, name, member):
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(
                f"{name} is of version {version} of NumPy's format; there are 1 and 2 of plain"
                " arrays"
            )
        shape, fortran, dtype = _HEADERS[version](file)
        size = math.prod(shape) * dtype.itemsize
        if dtype.hasobject:
            raise ValueError(
                f"{name} holds Python objects, which are not read; write arrays of numbers or"
                " strings"
            )
        if min(shape, default=0) < 0 or size != member.file_size - file.tell():
            raise ValueError(
                f"{name} is said to be {dtype} {shape!s:.80}, but it has"
                f" {member.file_size - file.tell():,} bytes"
            )
        content, end = np.empty(size, np.uint8), 0
        # the last read, of nothing, verifies the checksum
        while part := file.read(min(size - end, 1 << 22) or 1):
            if end + len(part) > size:
                raise ValueError(f"{name} is longer than it is said to be")
            content[end : end + len(part)] = np.frombuffer(part, np.uint8)
            end += len(part)
        if end < size:
            raise ValueError(f"{name} ends early")
    return np.ndarray(shape, dtype, content, order="F" if fortran else "C")
