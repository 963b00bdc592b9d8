"""Ways in which a file is damaged, or made so that reading it would take for ever, for fuzz.py;
each is drawn from a seeded generator.
"""

from __future__ import annotations

import copy
import json
import re

HUGE = (2**31 - 1, 2**32 - 1, 2**63, 10**12, 10**40, -1, -(2**31))
DEEP = "[" * 50_000


def damaged(content: bytes, rng, others: list[bytes]) -> bytes:
    """The bytes of a file, damaged in one way; `others` are files that parts are taken from."""
    return rng.choice(_OF_BYTES)(content, rng, others)


def altered(text: str, rng) -> str:
    """The text of a JSON document with something in the place of something else, or any text."""
    document = json.loads(text)
    for _ in range(rng.randint(1, 3)):
        places = list(_places(document))
        if not places:
            break
        parent, key = rng.choice(places)
        what = rng.randrange(8)
        if what == 0:
            del parent[key]
        elif what == 1 and isinstance(parent, list):
            parent.insert(key, copy.deepcopy(parent[key]))
        elif what == 2 and isinstance(parent, dict):
            parent[rng.choice(["", "x", "__proto__", key + " ", "schema"])] = rng.choice(_VALUES)
        elif what == 3:
            parent[key] = copy.deepcopy(rng.choice(places)[0])
        else:
            parent[key] = rng.choice(_VALUES)
    text = json.dumps(document)
    chance = rng.randrange(20)
    if chance == 0:
        return DEEP + text
    if chance == 1:
        return text.replace(":", ": " + DEEP, 1)
    if chance == 2:
        return text + " " * 2_000_000
    if chance == 3 and ", " in text:  # a name twice
        return text.replace(", ", f", {text[1 : text.index(', ')]}, ", 1)
    return text


def _places(value):
    """(parent, key) of everything in a document."""
    for key in (
        list(value)
        if isinstance(value, dict)
        else range(len(value))
        if isinstance(value, list)
        else ()
    ):
        yield value, key
        yield from _places(value[key])


_VALUES = [
    None, True, False, 0, 1, -1, 1.5, float("nan"), float("inf"), -0.0, 1e308, *HUGE,
    "", "x", "add", "none", "a" * 5000, "\x1b[31m", "\ud800",
    [], {}, [[]], [None], {"a": 1}, [0] * 3000, [["identity"]], "1e999", "../../x",
]  # fmt: skip


def _bits(content, rng, others):
    content = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 8)) if content else 0):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def _cut(content, rng, others):
    return content[: rng.randrange(len(content) + 1)]


def _stretch(content, rng):
    first = rng.randrange(len(content) + 1)
    return first, first + rng.randint(0, rng.choice((4, 64, 4096)))


def _removed(content, rng, others):
    first, last = _stretch(content, rng)
    return content[:first] + content[last:]


def _doubled(content, rng, others):
    first, last = _stretch(content, rng)
    return content[:last] + content[first:]


def _swapped(content, rng, others):
    (a, b), (c, d) = sorted((_stretch(content, rng), _stretch(content, rng)))
    b = min(b, c)
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def _spliced(content, rng, others):
    other = rng.choice(others)
    return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other) + 1) :]


def _grafted(content, rng, others):
    first, last = _stretch(content, rng)
    other = rng.choice(others)
    place = rng.randrange(len(other) + 1)
    return content[:first] + other[place : place + last - first] + content[last:]


def _huge(content, rng, others):
    """A number in digits, or four or eight bytes, become huge."""
    numbers = list(re.finditer(rb"\d+", content[:100_000]))
    if numbers and rng.random() < 0.5:
        found = rng.choice(numbers)
        return content[: found.start()] + str(rng.choice(HUGE)).encode() + content[found.end() :]
    place, size = rng.randrange(len(content) + 1), rng.choice((1, 2, 4, 8))
    return (
        content[:place]
        + rng.choice((b"\xff" * size, b"\x7f" + b"\xff" * (size - 1), bytes(size)))
        + content[place + size :]
    )


def _garbage(content, rng, others):
    place = rng.randrange(len(content) + 1)
    return content[:place] + rng.randbytes(rng.choice((1, 16, 300))) + content[place:]


def _other(content, rng, others):
    return rng.choice(
        [
            b"",
            b"\0" * 1000,
            rng.randbytes(1000),
            rng.choice(others),
            content * 2,
            b"\xef\xbb\xbf" + content,
            content + b"\n",
        ]
    )


_OF_BYTES = (
    _bits,
    _bits,
    _bits,
    _cut,
    _removed,
    _doubled,
    _swapped,
    _spliced,
    _grafted,
    _huge,
    _huge,
    _garbage,
    _other,
)
