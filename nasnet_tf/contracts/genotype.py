"""What the genotypes of all systems share: JSON both ways, files, and a reader that knows by the
schema in a text of which system it is.

A genotype is a frozen dataclass that subclasses `BaseGenotype`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from typing import ClassVar

from nasnet_tf.files import parse_json, read_small, write_whole

__all__ = ["NAMED", "SCHEMAS", "VERSION", "BaseGenotype", "from_json", "parsed", "read_file"]

SCHEMAS: dict[str, type[BaseGenotype]] = {}  # the class of a genotype by the schema of its JSON
NAMED: dict[str, BaseGenotype] = {}  # published genotypes
VERSION = 1  # of all schemas

_MAX_BYTES = 1_000_000  # a genotype of five blocks takes about 1 kB


@dataclasses.dataclass(frozen=True)
class BaseGenotype:
    """Base of the genotypes of a system. The fields of the dataclass are numbers, texts, truth
    values and tuples of them.

        @dataclasses.dataclass(frozen=True)
        class Stack(BaseGenotype, schema="mine.stack"):
            widths: tuple[int, ...]

    `__post_init__` may raise ValueError for values that make no sense; a file that holds such is
    refused with its message.

    Attributes:
        schema: the name of the system, which stands in its files.
        reads: what a network of it is trained on, "images" or "text".
        sized: whether it says how large its network is, which then has no num_cells and no filters.
    """

    schema: ClassVar[str]
    reads: ClassVar[str] = "images"
    sized: ClassVar[bool] = False

    def __init_subclass__(cls, *, schema: str, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.schema = schema
        SCHEMAS[schema] = cls

    def to_json(self) -> str:
        """The genotype as JSON text, with schema and version."""
        return json.dumps({"schema": self.schema, "version": VERSION, **dataclasses.asdict(self)})

    @classmethod
    def from_json(cls, text: str):
        """The genotype in `text`. Raises ValueError that says what is wrong and how to mend it."""
        fields = dataclasses.fields(cls)
        data = parsed(text, cls, [field.name for field in fields])
        missing = [field.name for field in fields if field.name not in data and _required(field)]
        if missing:
            raise ValueError(
                f"genotype lacks {', '.join(missing)}; write it with {cls.__name__}.save()."
            )
        return cls(**{name: _frozen(value) for name, value in data.items()})

    def save(self, path: str | os.PathLike) -> None:
        """Writes the genotype as JSON; the file is there whole or not at all."""
        write_whole(path, (self.to_json() + "\n").encode())

    @classmethod
    def load(cls, path: str | os.PathLike):
        """The genotype in the file `path`. Raises ValueError that names the file if it holds
        none.
        """
        return read_file(path, cls.from_json)

    def canonical_key(self) -> str:
        """32 hex digits, equal for genotypes of the same network. By default only those of equal
        genotypes are equal; a system that can prove more overrides it.
        """
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:32]

    def lines(self) -> list[str]:
        """The genotype for a person to read."""
        return [f"{field.name}: {getattr(self, field.name)}" for field in dataclasses.fields(self)]


def from_json(text: str):
    """The genotype in `text`, of the system whose schema it names. Raises ValueError that says what
    is wrong.
    """
    schema = _object(text).get("schema")
    if not isinstance(schema, str) or schema not in SCHEMAS:
        raise ValueError(
            f'not a genotype: "schema" is {schema!r:.60}; there are {", ".join(SCHEMAS)}.'
        )
    return SCHEMAS[schema].from_json(text)


def parsed(text: str, cls: type[BaseGenotype], keys) -> dict:
    """The JSON object in `text` without its schema, which must be that of `cls`, and version.
    Raises ValueError, for keys other than `keys` too.
    """
    data = _object(text)
    if data.pop("schema", None) != cls.schema:
        raise ValueError(
            f'not a genotype: expected a JSON object with "schema": "{cls.schema}", as'
            f" {cls.__name__}.save() writes."
        )
    found = data.pop("version", None)
    if type(found) is not int or found != VERSION:
        raise ValueError(
            f"genotype of version {found!r:.60}; this release reads version {VERSION}: install the"
            " release that wrote it."
        )
    unknown = sorted(set(data) - set(keys))
    if unknown:
        raise ValueError(
            f"unknown keys in genotype: {', '.join(map(repr, unknown)):.200}; remove them."
        )
    return data


def read_file(path: str | os.PathLike, read):
    """`read` of the text in the file `path`; errors name the file."""
    try:
        content = read_small(path, _MAX_BYTES, "a genotype")
    except FileNotFoundError:
        raise ValueError(
            f"{path}: no such file; give a genotype"
            f" JSON{', or one of ' if NAMED else ''}{', '.join(NAMED)}."
        ) from None
    try:
        return read(content.decode("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _object(text: str) -> dict:
    try:
        data = parse_json(text)
    except ValueError as error:
        raise ValueError(
            f"not a whole genotype JSON ({str(error).rstrip('.')}); write it with save()."
        ) from None
    return data if isinstance(data, dict) else {}


def _required(field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _frozen(value):
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
