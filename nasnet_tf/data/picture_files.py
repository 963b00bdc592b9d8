"""Picture files read by Pillow: headers, and the pixels of files that TensorFlow cannot decode or
decodes differently.

A picture is decoded as a viewer shows it: rotated by its EXIF data, the first frame of an
animation, on a white background if it is transparent.
"""

from __future__ import annotations

import functools
import io
import os
from typing import NamedTuple

import numpy as np

__all__ = [
    "MISSING",
    "MOST_PIXELS",
    "SUFFIXES",
    "Header",
    "header",
    "is_picture",
    "pixels",
    "reason",
]

MOST_PIXELS = 64_000_000  # that a header may declare; resizing such a picture takes a gigabyte
SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".apng",
    ".bmp",
    ".dib",
    ".gif",
    ".webp",
    ".tif",
    ".tiff",
    ".avif",
    ".ppm",
    ".pgm",
    ".pbm",
    ".pnm",
    ".ico",
    ".jp2",
)
# None that runs programs.
_FORMATS = ("JPEG", "PNG", "BMP", "DIB", "GIF", "WEBP", "TIFF", "AVIF", "PPM", "ICO", "JPEG2000")
MISSING = "no such file"
_ORIENTATION = 0x0112  # the EXIF tag
_GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")


class Header(NamedTuple):
    """The header of a picture file.

    Args:
        height, width: in pixels, as a viewer shows it.
        channels: 1 for a grey picture, else 3.
        plain: whether TensorFlow decodes it exactly: a JPEG or PNG of 8 bits, not rotated, without
            transparency.
    """

    height: int
    width: int
    channels: int
    plain: bool


def header(file) -> Header:
    """The header of a picture file, a path or its contents as bytes. Nothing is decoded.

    Raises: an exception if it is no picture, or declares more than MOST_PIXELS; `reason` puts it in
        words.
    """
    with _opened(file) as image:
        # to find EXIF data after the pixels of a PNG, Pillow would decode it
        known = image.format != "PNG" or "exif" in image.info
        turned = image.getexif().get(_ORIENTATION, 1) if known else 1
        width, height = image.size[::-1] if turned in (5, 6, 7, 8) else image.size
        plain = (
            image.format in ("JPEG", "PNG")
            and image.mode in ("L", "RGB")
            and turned not in range(2, 9)
        )
        return Header(
            height,
            width,
            1 if image.mode in _GREY else 3,
            plain and "transparency" not in image.info,
        )


def is_picture(path) -> bool:
    """Whether a file has the header of a picture."""
    try:
        header(path)
    except _TooLarge:
        return True
    except Exception:  # each reader of a format raises its own
        return False
    return True


def pixels(file, channels: int) -> np.ndarray:
    """The picture in a file, uint8 (height, width, channels); 1 channel is its luminance, 3 are
    RGB.

    Raises: an exception if it cannot be read; `reason` puts it in words.
    """
    from PIL import Image, ImageOps

    with _opened(file) as image:
        of_16_bits = image.mode.startswith("I;16") or (
            image.mode == "I" and image.format in ("PNG", "PPM")
        )
        if image.mode in ("I", "F") and not of_16_bits:
            raise ValueError("its pixels are 32-bit numbers of unknown range")
        image = ImageOps.exif_transpose(image)
        if of_16_bits:
            image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        found = np.asarray(image.convert("L" if channels == 1 else "RGB"))
        return found.reshape(*found.shape[:2], channels)


def reason(file) -> str | None:
    """Why a picture file, a path or bytes, cannot be read, in a few words; None if Pillow can read
    it.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        if not isinstance(file, bytes) and not os.path.exists(file):
            return MISSING
        if not isinstance(file, bytes) and not os.path.isfile(file):
            return "not a regular file"
        if not (len(file) if isinstance(file, bytes) else os.path.getsize(file)):
            return "the file is empty"
        pixels(file, 3)
    except UnidentifiedImageError:
        return "it is no picture, or of an unknown format"
    except (_TooLarge, Image.DecompressionBombError):
        return f"it declares too many pixels, more than {MOST_PIXELS:,}"
    except Exception as error:  # each reader of a format raises its own
        text = getattr(error, "strerror", None) or str(error)
        return (text.splitlines()[0] if text else type(error).__name__).strip().rstrip(".")
    return None


class _TooLarge(ValueError):
    """A header declares more pixels than MOST_PIXELS."""


def _opened(file):
    """The opened picture, with its header read and its size checked."""
    from PIL import Image

    image = Image.open(io.BytesIO(file) if isinstance(file, bytes) else file, formats=_formats())
    if image.width * image.height > MOST_PIXELS:
        image.close()
        raise _TooLarge(f"{image.width} by {image.height}")
    return image


@functools.cache
def _formats():
    """Those of our formats that this version of Pillow reads."""
    from PIL import Image

    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)
