"""What a search decides, as it was declared at some time: parameters, points and values."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from nasnet_tf.contracts.categorical import CategoricalSpace, Decision
from nasnet_tf.contracts.fidelity import EPOCHS
from nasnet_tf.contracts.space import Space

__all__ = ["Parameter", "SearchSchema", "SpaceSchemas"]

# JSON of what a strategy chose for parameters that the value of another one rules out: the strategy
# learns of the point it proposed.
_INACTIVE = "tuner/inactive"


class Parameter(NamedTuple):
    """A value that trials have.

    Args:
        name: unique, unless it stands under several conditions.
        default: the value where nothing else is chosen.
        conditions: objects with `is_active(values)`; the parameter counts where all are active.
    """

    name: str
    default: object
    conditions: tuple = ()


class SearchSchema:
    """The parameters of a search as they were declared at some time. Turns points into values and
    back.

    Args:
        parameters: `Parameter`s, or objects with their attributes, in order.
        free: the space of what is chosen; parameters it does not know keep their default.
        epochs: numbers of epochs that a strategy with fidelity may choose from; None for others.
    """

    def __init__(self, parameters: Iterable, free: Space, epochs=None):
        self.parameters, self.free, self._epochs = list(parameters), free, epochs
        self.choices = free
        if epochs is not None:
            self.choices = CategoricalSpace([*free.decisions, Decision(EPOCHS, epochs)])
        self._conditional = any(parameter.conditions for parameter in self.parameters)
        self._numbers = [
            (name, {option: number for number, option in enumerate(options)})
            for name, options in self.choices.decisions
        ]

    def values(self, point) -> dict:
        """{name: value} of the parameters that are active, parents before their children."""
        options = self.choices.values(point)
        epochs = {} if self._epochs is None else {EPOCHS: options[EPOCHS]}
        active = {}
        for parameter in self.parameters:
            name = parameter.name
            if all(condition.is_active(active) for condition in parameter.conditions):
                active[name] = options.get(name, parameter.default)
        active |= epochs
        if not self._conditional:
            return active
        inactive = {name: option for name, option in options.items() if name not in active}
        return active | ({_INACTIVE: json.dumps(inactive)} if inactive else {})

    def proposed(self, values) -> tuple[int, ...]:
        """The point that a strategy proposed, of the values made from it."""
        if _INACTIVE in values:
            values = {**json.loads(values[_INACTIVE]), **values}
        return self.point(values)

    def point(self, values) -> tuple[int, ...]:
        """The point of these values: option 0 of what is not among them."""
        if not self.free.decisions:
            return self.free.choices(values)
        return tuple(numbers.get(values.get(name), 0) for name, numbers in self._numbers)

    def check(self, point) -> None:
        """Raises ValueError if a point of decisions is none of these choices."""
        if self.free.decisions:
            self.choices.checked(point)


class SpaceSchemas:
    """The schema of a search of one space, declared whole from the start.

    What a `Study` asks of its schemas: `count`, `is_whole`, `current()`, `free()`, `record()` and
    `restore(record)`.

    Args:
        space: what is searched.
        epochs: as `SearchSchema`.
    """

    is_whole = True  # whether no parameters can come that the log declares and this has not yet

    def __init__(self, space: Space, epochs=None):
        self._space = space
        if space.decisions:
            parameters = [Parameter(name, options[0]) for name, options in space.decisions]
        else:
            parameters = [Parameter(*item) for item in space.values(space.first).items()]
        self._schema = SearchSchema(parameters, space, epochs)

    @property
    def count(self) -> int:
        """How many parameters are declared."""
        return len(self._schema.parameters)

    def current(self) -> SearchSchema:
        """The schema as it is declared now."""
        return self._schema

    def free(self) -> Space:
        """What is chosen, without a number of epochs."""
        return self._space

    def record(self) -> dict:
        """The declared parameters as a record of the log."""
        return {"space": [self._described(parameter) for parameter in self._schema.parameters]}

    def restore(self, record: dict) -> SearchSchema:
        """The schema that a record of the log declares."""
        return self._schema

    def _described(self, parameter):
        # In the words of Keras Tuner's `get_config`, so that both read the logs of each other.
        shared = {"name": parameter.name, "default": parameter.default, "conditions": []}
        options = dict(self._space.decisions).get(parameter.name)
        if options is None:
            fixed = {"name": parameter.name, "conditions": [], "value": parameter.default}
            return {"class_name": "Fixed", "config": fixed}
        ordered = not any(isinstance(option, str) for option in options)
        config = {**shared, "values": list(options), "ordered": ordered}
        return {"class_name": "Choice", "config": config}
