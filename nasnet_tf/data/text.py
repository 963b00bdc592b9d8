"""A text file as numbers of words or characters, in three parts in the order of the text: 80 % for
training, 10 % for validation, 10 % for testing.

A word is a run of letters and digits, or one other mark; case is significant, line ends are not. A
text that contains <unk> is taken to be prepared like the Penn Treebank's files: words are separated
by blanks, and every line gets an <eos>.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from nasnet_tf.data.dataset import folder_name
from nasnet_tf.data.streaming import untuned
from nasnet_tf.signatures import checked

__all__ = ["END", "LEVELS", "UNKNOWN", "Text", "is_text", "load_text", "text_batches"]

LEVELS = ("word", "character")
UNKNOWN, END = "<unk>", "<eos>"
_MOST_BYTES = 50_000_000  # counting ten million words takes about a gigabyte
_SHARES = 0.8, 0.9  # of the text, at which the training part and the validation part end


@dataclass(frozen=True, eq=False, repr=False)
class Text:
    """A text in three parts. Examples are windows: the numbers (n, steps) of words, and those of
    the words that follow each of them.

    Args:
        name: short, and valid as the name of a folder.
        level: "word" or "character".
        vocabulary: the most frequent words of the training part, by number; number 0 is <unk>,
            which stands for all others.
        train, validation, test: the numbers of the words in order, int32.
        steps: length of a window; the words after the last complete window of a part are not used.
    """

    name: str
    level: str
    vocabulary: tuple[str, ...]
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    steps: int

    @property
    def input_shape(self) -> tuple[int]:
        """(steps,)."""
        return (self.steps,)

    @property
    def classes(self) -> int:
        """Number of words in the vocabulary."""
        return len(self.vocabulary)

    def windows(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        """(words, the words that follow each of them) of "train", "validation" or "test", each
        (n, steps) int32.
        """
        words = getattr(self, part)
        count = (len(words) - 1) // self.steps
        return tuple(
            words[shift : shift + count * self.steps].reshape(count, self.steps) for shift in (0, 1)
        )

    @cached_property
    def x_train(self) -> np.ndarray:
        """The windows of the training part."""
        return self.windows("train")[0]

    @property
    def network(self) -> dict:
        """Arguments of a network for this text."""
        return dict(
            input_shape=self.input_shape,
            classes=self.classes,
            class_names=self.vocabulary,
            level=self.level,
        )

    def describe(self) -> str:
        """One line: the number of words of each part, the size of the vocabulary, the share of
        unknown words in the test part.
        """
        parts = ", ".join(
            f"{len(getattr(self, part))} {part}" for part in ("train", "validation", "test")
        )
        unknown = f"{np.mean(self.test == 0):.1%} of the test part unknown"
        return (
            f"{self.name}: {parts} {self.level}s, vocabulary {self.classes}, {unknown}; windows of"
            f" {self.steps}."
        )

    def __repr__(self) -> str:
        return f"<Text {self.describe()}>"


@checked
def load_text(
    path, *, level: str = "word", most: int = 10_000, steps: int = 35, vocabulary=None
) -> Text:
    """The text in the file `path`, UTF-8.

    Args:
        level: "word" or "character".
        most: the largest size of the vocabulary, <unk> included.
        steps: length of a window.
        vocabulary: that of a trained network, instead of the text's own.
    Raises: ValueError that names the file if it does not exist, or is empty, too large, no text, or
        too short for a window of each part; TypeError for an unknown argument.
    """
    if level not in LEVELS:
        raise ValueError(f"level is {level!r}; there are {', '.join(LEVELS)}.")
    if most < 2 or steps < 1:
        raise ValueError(f"the vocabulary is {most} and a window {steps}; give at least 2 and 1.")
    text = _read(path)
    words = list(text) if level == "character" else _words(text)
    ends = [0, *(int(share * len(words)) for share in _SHARES), len(words)]
    if min(end - start for start, end in zip(ends, ends[1:], strict=False)) <= steps:
        raise ValueError(
            f"{path}: {len(words)} {level}s are too few for windows of {steps} in each of three"
            f" parts; give at least {10 * steps + 20}."
        )
    if vocabulary is None:
        counted = Counter(words[: ends[1]])
        counted.pop(UNKNOWN, None)
        frequent = sorted(counted, key=lambda word: (-counted[word], word))
        vocabulary = (UNKNOWN, *frequent[: most - 1])
    numbers = {word: number for number, word in enumerate(vocabulary)}
    tokens = np.fromiter((numbers.get(word, 0) for word in words), np.int32, len(words))
    name = folder_name(Path(path).stem, "text")
    return Text(name, level, tuple(vocabulary), *np.split(tokens, ends[1:3]), steps)


def is_text(source) -> bool:
    """Whether `source` is a file whose beginning is text."""
    if not os.path.isfile(source):
        return False
    with open(source, "rb") as file:
        start = file.read(4096)
    return b"\0" not in start and not start.startswith((b"PK", b"\x89"))


def text_batches(data: Text, batch_size: int, seed: int = 0):
    """(training, validation) for `nasnet_tf.training.train`: a function from the number of the
    first pass to batches, and batches.

    The order of a pass depends on the seed and on its number only.
    """
    import tensorflow as tf

    x, y = data.windows("train")

    def training(first_pass=0):
        passes = iter(range(first_pass, 2**31))

        def one_pass():
            order = np.random.default_rng([seed, next(passes)]).permutation(len(x))
            for start in range(0, len(x), batch_size):
                some = order[start : start + batch_size]
                yield x[some], y[some]

        spec = tf.TensorSpec((None, data.steps), tf.int32)
        batches = tf.data.Dataset.from_generator(one_pass, output_signature=(spec, spec))
        counted = tf.data.experimental.assert_cardinality(-(-len(x) // batch_size))
        return untuned(batches.apply(counted))

    validation = tf.data.Dataset.from_tensor_slices(data.windows("validation"))
    return training, untuned(validation.batch(batch_size))


def _read(path) -> str:
    """The text of a file, with "\\n" as line ends."""
    path = Path(path).expanduser()
    if not path.is_file():
        raise ValueError(f"{path}: no such file; give a text file.")
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise ValueError(
            f"{path}: {size:,} bytes are too many; give at most {_MOST_BYTES:,}, such as the first"
            " part of it."
        )
    content = path.read_bytes()
    if not content.strip():
        raise ValueError(f"{path} is empty; give a text.")
    if b"\0" in content:
        raise ValueError(
            f"{path} is no text: there are zero bytes in it; give a file of plain text in UTF-8."
        )
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is no text in UTF-8 (byte {error.start}); convert it to UTF-8."
        ) from None


def _words(text) -> list[str]:
    if UNKNOWN in text:
        return [word for line in text.split("\n") if line.strip() for word in (*line.split(), END)]
    return re.findall(r"\w+|[^\w\s]", text)
