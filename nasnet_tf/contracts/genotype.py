"""Every kind of genotype by the schema its JSON names, and the reader that knows which kind a text
is of.

A kind other than cells is a frozen dataclass that subclasses `BaseGenotype`; that gives it JSON
both ways and enters it here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import os
from importlib import import_module

from nasnet_tf.files import parse_json, read_small, write_whole
from nasnet_tf.signatures import refuse_unknown

__all__ = [
    "KINDS",
    "BaseGenotype",
    "call",
    "entry",
    "fitting",
    "from_json",
    "imported",
    "parsed",
    "read_file",
]

KINDS: dict[str, type] = {}

_VERSION = 1
_MAX_BYTES = 1_000_000  # a genotype of five blocks takes about 1 kB


class BaseGenotype:
    """Base of a kind of genotype. The fields of the dataclass are numbers, texts, truth values and
    tuples of them.

        @dataclasses.dataclass(frozen=True)
        class Stack(BaseGenotype, schema="mine.stack"):
            widths: tuple[int, ...]

    `__post_init__` may raise ValueError for values that make no sense; a file that holds such is
    refused with its message.
    """

    schema: str
    # whether it says how large its network is, which then has no num_cells and no filters
    sized = False

    def __init_subclass__(cls, *, schema: str, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.schema = schema
        KINDS[schema] = cls

    def to_json(self) -> str:
        """The genotype as JSON text, with schema and version."""
        return json.dumps({"schema": self.schema, "version": _VERSION, **dataclasses.asdict(self)})

    @classmethod
    def from_json(cls, text: str):
        """The genotype in `text`. Raises ValueError that says what is wrong and how to mend it."""
        data = parsed(text, cls.schema, _VERSION, [field.name for field in dataclasses.fields(cls)])
        missing = [
            field.name
            for field in dataclasses.fields(cls)
            if field.name not in data and _required(field)
        ]
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
        """32 hex digits, equal for genotypes of the same network; a kind that knows more twins than
        equal ones says so here.
        """
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:32]

    def lines(self) -> list[str]:
        """The genotype for a person to read."""
        return [f"{field.name}: {getattr(self, field.name)}" for field in dataclasses.fields(self)]


def from_json(text: str):
    """The genotype in `text`, of the kind whose schema it names. Raises ValueError that says what
    is wrong.
    """
    schema = _object(text).get("schema")
    if not isinstance(schema, str) or schema not in KINDS:
        raise ValueError(
            f'not a genotype: "schema" is {schema!r:.60}; there are {", ".join(KINDS)}.'
        )
    return KINDS[schema].from_json(text)


def parsed(text: str, schema: str, version: int, keys) -> dict:
    """The JSON object in `text` without its schema and version, which must be these. Raises
    ValueError for unknown keys too.
    """
    data = _object(text)
    if data.pop("schema", None) != schema:
        raise ValueError(
            f'not a genotype: expected a JSON object with "schema": "{schema}", as'
            f" {KINDS[schema].__name__}.save() writes."
        )
    found = data.pop("version", None)
    if type(found) is not int or found != version:
        raise ValueError(
            f"genotype of version {found!r:.60}; this release reads version {version}: install the"
            " release that wrote it."
        )
    unknown = sorted(set(data) - set(keys))
    if unknown:
        raise ValueError(
            f"unknown keys in genotype: {', '.join(map(repr, unknown)):.200}; remove them."
        )
    return data


def read_file(path: str | os.PathLike, read, names=()):
    """`read` of the text in the file `path`; errors name the file. `names` are what may be given in
    place of a path.
    """
    try:
        content = read_small(path, _MAX_BYTES, "a genotype")
    except FileNotFoundError:
        raise ValueError(
            f"{path}: no such file; give a genotype"
            f" JSON{', or one of ' if names else ''}{', '.join(names)}."
        ) from None
    try:
        return read(content.decode("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def entry(table: dict, genotype, what: str):
    """The value of `table` for the kind of `genotype`; "module:name" is imported. Raises ValueError
    with the kinds there are.
    """
    schema = getattr(genotype, "schema", None)
    if schema not in table:
        raise ValueError(
            f"no {what} for {type(genotype).__name__} (schema {schema!r}); there are those of"
            f" {', '.join(table)}: add yours."
        )
    return imported(table[schema])


def imported(value):
    """What "module:name" names; anything else as it is."""
    if not isinstance(value, str):
        return value
    module, _, name = value.partition(":")
    return getattr(import_module(module), name)


def call(table: dict, genotype, what: str, arguments: dict):
    """The function that `table` has for the kind of `genotype`, called with it and those of
    `arguments` that are for it.

    See `fitting`.
    """
    return entry(table, genotype, what)(genotype, **fitting(table, genotype, what, arguments))


def fitting(table: dict, genotype, what: str, arguments: dict) -> dict:
    """`arguments` without those that only functions for other kinds take and that ask for nothing:
    None, False or 0.

    num_cells and filters are left out for a genotype that is `sized`.

    Raises: TypeError with the nearest name for an argument that no function of `table` takes;
        ValueError for one that functions for other kinds take, and that asks for something.
    """
    if getattr(genotype, "sized", False):
        arguments = {
            name: value for name, value in arguments.items() if name not in ("num_cells", "filters")
        }
    taken = _parameters(entry(table, genotype, what))
    if taken is None or arguments.keys() <= set(taken):
        return arguments
    everywhere = [_parameters(imported(function)) for function in table.values()]
    if None not in everywhere:
        known = dict.fromkeys([*taken, *(name for names in everywhere for name in names)])
        refuse_unknown(f"a {what} of {genotype.schema}", arguments, known)
    for name in arguments:
        if name not in taken and arguments[name]:
            raise ValueError(
                f"{name} is {arguments[name]!r:.60}, but a {what} of {genotype.schema} has no"
                f" {name}; leave it out."
            )
    return {name: value for name, value in arguments.items() if name in taken}


def _parameters(function):
    """Names of the arguments besides the genotype that `function` takes; None if it takes any."""
    parameters = list(inspect.signature(function).parameters.values())
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return [parameter.name for parameter in parameters[1:]]


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
