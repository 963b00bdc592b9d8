"""Sets of small pictures to measure on, as .npz files: made, or read from beside the repository.

digits comes along; fonts: grey characters of 28 pixels in matplotlib's fonts, turned, scaled,
sheared, moved and noisy, 36 classes; characters: 100 classes, 30 pictures of each; shapes: lines
and areas of six kinds, of 32 pixels, in colour and noise; sounds: spectrograms, of 32 pixels, of
eight kinds of sound; cifar10: the exact-pixel subset beside the repository; cifar10_uneven: between
a tenth and all of the images of its classes; flowers: flower_photos at 48 pixels; flowers_few: 20 a
class for training; objects: what is in the boxes of coco128, at 48 pixels, the 12 most frequent
classes.
"""

from __future__ import annotations

import io
import math
import pathlib
import string
import zipfile

import numpy as np

__all__ = ["NAMES", "source"]

SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared/data"
CIFAR10 = SHARED / "cifar10/cifar10_lossless_subset.npz"
LETTERS = string.ascii_uppercase + string.digits
MANY = "".join(chr(code) for code in (*range(33, 127), *range(0xC0, 0xFF)) if code != 0xD7)[:100]


def source(name, folder):
    """What `nasnet-tf` is given as data: a file in the folder, or the name itself."""
    if name == "cifar10":
        return str(CIFAR10)
    if name not in _MAKE:
        return name
    path = pathlib.Path(folder, f"{name}.npz")
    if not path.exists():
        np.savez(path, **_MAKE[name]())
    return str(path)


def _parts(x, y, test, names=None):
    """Arrays for an .npz, the last `test` pictures for testing."""
    found = {"x_train": x[:-test], "y_train": y[:-test], "x_test": x[-test:], "y_test": y[-test:]}
    return found if names is None else {**found, "class_names": np.array(names)}


def _fonts(letters=LETTERS, train=6000, test=4000, side=28, seed=0):
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    files = pathlib.Path(matplotlib.get_data_path(), "fonts/ttf").glob("DejaVu*.ttf")
    files = sorted(file for file in files if "Display" not in file.name)
    faces = [ImageFont.truetype(str(file), 40) for file in files]
    rng, count = np.random.default_rng(seed), train + test
    labels, images = rng.integers(len(letters), size=count), []
    for label in labels:
        big = Image.new("L", (96, 96))
        face = faces[rng.integers(len(faces))]
        ImageDraw.Draw(big).text((48, 48), letters[label], fill=255, font=face, anchor="mm")
        angle, shear = math.radians(rng.uniform(-25, 25)), rng.uniform(-0.3, 0.3)
        across, down = rng.uniform(1.4, 2.4, 2)
        cos, sin = math.cos(angle), math.sin(angle)
        matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array([[across, shear], [0, down]])
        offset = 48 - matrix @ (side / 2 + rng.uniform(-3, 3, 2))
        affine = (*matrix[0], offset[0], *matrix[1], offset[1])
        small = big.transform((side, side), Image.Transform.AFFINE, affine, Image.BILINEAR)
        pixels = np.asarray(small, "float32") * rng.uniform(0.4, 1.0)
        pixels += rng.normal(0, rng.uniform(5, 45), pixels.shape) + rng.uniform(0, 60)
        images.append(np.clip(pixels, 0, 255).astype("uint8")[..., None])
    return _parts(np.stack(images), labels.astype("int32"), test)


def _characters():
    return _fonts(MANY, train=3000, test=2000)


def _shapes(train=3000, test=2000, side=32, seed=0):
    from PIL import Image, ImageDraw

    rng, images = np.random.default_rng(seed), []
    labels = rng.integers(6, size=train + test)
    for label in labels:
        big = Image.new("RGB", (4 * side, 4 * side), tuple(rng.integers(0, 256, 3).tolist()))
        pen, (x, y) = ImageDraw.Draw(big), rng.uniform(40, 88, 2)
        radius, turn = rng.uniform(16, 40), rng.uniform(0, 2 * math.pi)
        kind, filled = label // 2, label % 2
        corners = (3, 4, 60)[kind]  # 60 is a circle
        angles = turn + 2 * math.pi * np.arange(corners) / corners
        points = [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]
        colour = tuple(rng.integers(0, 256, 3).tolist())
        pen.polygon(points, fill=colour if filled else None, outline=colour, width=6)
        small = np.asarray(big.resize((side, side), Image.BOX), "float32")
        small = small + rng.normal(0, rng.uniform(5, 40), small.shape)
        images.append(np.clip(small, 0, 255).astype("uint8"))
    names = [
        f"{form} {how}" for form in ("triangle", "square", "circle") for how in ("line", "area")
    ]
    return _parts(np.stack(images), labels, test, names)


def _sounds(train=2400, test=1600, side=32, seed=0):
    names = ("tone", "chord", "rising", "falling", "vibrato", "clicks", "noise band", "silence")
    rng, images = np.random.default_rng(seed), []
    labels, time = rng.integers(len(names), size=train + test), np.arange(2112) / 4000
    for label in labels:
        low, slope = rng.uniform(200, 1200), rng.uniform(400, 1500)
        signal = {
            "tone": lambda low=low: np.sin(2 * np.pi * low * time),
            "chord": lambda low=low: sum(
                np.sin(2 * np.pi * low * f * time) for f in (1, 1.25, 1.5)
            ),
            "rising": lambda low=low, s=slope: np.sin(2 * np.pi * (low * time + s * time**2)),
            "falling": lambda low=low, s=slope: np.sin(
                2 * np.pi * ((low + s) * time - s * time**2 / 2)
            ),
            "vibrato": lambda low=low: np.sin(2 * np.pi * low * time + 8 * np.sin(40 * time)),
            "clicks": lambda: (np.arange(len(time)) % int(rng.integers(150, 500)) < 6) * 3.0,
            "noise band": lambda low=low: _band(low, low + 300, time, rng),
            "silence": lambda: np.zeros(len(time)),
        }[names[label]]()
        signal = signal * rng.uniform(0.2, 1) + rng.normal(0, rng.uniform(0.3, 1.2), len(time))
        windows = np.stack([signal[s : s + 128] * np.hanning(128) for s in range(0, 1984, 62)])
        power = np.log(np.abs(np.fft.rfft(windows))[:, 1 : 2 * side + 1 : 2] + 0.1).T
        power = (power - power.min()) / max(float(np.ptp(power)), 1e-6)
        images.append((255 * power).astype("uint8")[::-1, :side, None])
    return _parts(np.stack(images), labels, test, names)


def _band(low, high, time, rng, tones=60):
    """Noise of these frequencies."""
    phases = rng.uniform(0, 2 * np.pi, tones)
    each = np.linspace(low, high, tones)
    return np.sin(2 * np.pi * np.outer(each, time) + phases[:, None]).sum(0) * 4 / tones**0.5


def _cifar10_uneven(seed=0):
    found, rng = dict(np.load(CIFAR10)), np.random.default_rng(seed)
    y = found["y_train"]
    rows = []
    for label in range(10):
        own = rng.permutation(np.flatnonzero(y == label))
        rows.append(own[: max(int(len(own) * 0.1 ** (label / 9)), 10)])
    rows = rng.permutation(np.concatenate(rows))
    return {**found, "x_train": found["x_train"][rows], "y_train": y[rows]}


def _flowers(few=None, side=48, seed=0):
    from PIL import Image

    archive = zipfile.ZipFile(SHARED / "flower_photos/flower_photos_short128.zip")
    files = sorted(name for name in archive.namelist() if name.lower().endswith(".jpg"))
    names = sorted({file.split("/")[-2] for file in files})
    images = [_square(Image.open(io.BytesIO(archive.read(file))), side) for file in files]
    labels = np.array([names.index(file.split("/")[-2]) for file in files])
    order = np.random.default_rng(seed).permutation(len(files))
    found = _parts(np.stack(images)[order], labels[order], len(files) // 4, names)
    if few is not None:
        y = found["y_train"]
        rows = np.sort(np.concatenate([np.flatnonzero(y == k)[:few] for k in range(len(names))]))
        found |= {"x_train": found["x_train"][rows], "y_train": y[rows]}
    return found


def _flowers_few():
    return _flowers(20)


def _objects(classes=12, smallest=24, side=48, seed=0):
    from PIL import Image

    archive = zipfile.ZipFile(SHARED / "coco128/coco128_train_val.zip")
    names, crops = archive.namelist(), []
    for file in sorted(name for name in names if name.endswith(".jpg")):
        stem = pathlib.PurePath(file).stem
        boxes = [
            n
            for n in names
            if n.endswith(f"object_detection/labels/{file.split('/')[-2]}/{stem}.txt")
        ]
        if not boxes:
            continue
        picture = Image.open(io.BytesIO(archive.read(file))).convert("RGB")
        for line in archive.read(boxes[0]).decode().splitlines():
            label, x, y, wide, high = map(float, line.split()[:5])
            half = max(wide * picture.width, high * picture.height) / 2
            if half < smallest / 2:
                continue
            middle = x * picture.width, y * picture.height
            box = [
                int(middle[0] - half),
                int(middle[1] - half),
                int(middle[0] + half),
                int(middle[1] + half),
            ]
            crops.append((int(label), np.asarray(picture.crop(box).resize((side, side)))))
    labels = np.array([label for label, _ in crops])
    kept = np.argsort(-np.bincount(labels))[:classes].tolist()
    rows = [
        row for row in np.random.default_rng(seed).permutation(len(crops)) if labels[row] in kept
    ]
    x, y = (
        np.stack([crops[row][1] for row in rows]),
        np.array([kept.index(labels[row]) for row in rows]),
    )
    return _parts(x, y, len(y) // 3)


def _square(picture, side):
    """The middle of a picture, as an array."""
    from PIL import Image

    short = min(picture.size)
    left, top = (picture.width - short) // 2, (picture.height - short) // 2
    box = (left, top, left + short, top + short)
    return np.asarray(picture.convert("RGB").crop(box).resize((side, side), Image.BICUBIC))


_MAKE = {
    "fonts": _fonts,
    "characters": _characters,
    "shapes": _shapes,
    "sounds": _sounds,
    "cifar10_uneven": _cifar10_uneven,
    "flowers": _flowers,
    "flowers_few": _flowers_few,
    "objects": _objects,
}
NAMES = ("digits", "cifar10", *_MAKE)
