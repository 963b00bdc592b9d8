"""What a tuner is asked to change in the models of its hypermodel: how they are compiled, and how
large they may be.
"""

from __future__ import annotations

import dataclasses
import math

import keras

__all__ = ["Compiling"]


@dataclasses.dataclass(frozen=True)
class Compiling:
    """Arguments of `keras_tuner.Tuner` about the models of every trial; None changes nothing.

    Args:
        optimizer, loss, metrics: in place of those the hypermodel compiles with, as
            `keras.Model.compile` takes them.
        max_model_size: trainable parameters; a larger model is a failed trial.
    """

    optimizer: object = None
    loss: object = None
    metrics: object = None
    max_model_size: int | None = None

    @property
    def changes(self) -> dict:
        """What is compiled otherwise, each trial's objects its own."""
        asked = {"optimizer": self.optimizer, "loss": self.loss, "metrics": self.metrics}
        return {
            name: keras.tree.map_structure(_fresh, value)
            for name, value in asked.items()
            if value is not None
        }

    def compile(self, model) -> None:
        """Compiles `model` as it was, but for the changes."""
        changes = self.changes
        if changes:
            # The arguments of the last compile().
            compiled = getattr(model, "_compile_config", None)
            model.compile(**{**({} if compiled is None else compiled.config), **changes})

    def __reduce__(self):
        """Objects as their class and configuration: Keras itself finds classes that are not its own
        only where they are registered.
        """
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return _unpacked, ({name: _mapped(_packed, value) for name, value in fields.items()},)

    def check_size(self, model) -> None:
        """Raises ValueError if `model`, of Keras or native, is too large."""
        if self.max_model_size is None:
            return
        if isinstance(model, keras.Model):
            shapes = [weight.shape for weight in model.trainable_weights]
        else:
            shapes = [
                array.shape for name, array in model.named().items() if ".moving_" not in name
            ]
        size = sum(map(math.prod, shapes))
        if size > self.max_model_size:
            raise ValueError(
                f"Oversized model: {size:,} trainable parameters, more than"
                f" max_model_size={self.max_model_size:,}."
            )


def _fresh(value):
    """A copy of an object that has a state, such as an optimizer; anything else, such as a name, is
    itself.
    """
    return _restored(_packed(value))


@dataclasses.dataclass(frozen=True)
class _Packed:
    """An object that has a configuration."""

    kind: type
    config: dict


def _packed(value):
    return _Packed(type(value), value.get_config()) if hasattr(value, "get_config") else value


def _unpacked(fields):
    return Compiling(**{name: _mapped(_restored, value) for name, value in fields.items()})


def _restored(value):
    return value.kind.from_config(value.config) if isinstance(value, _Packed) else value


def _mapped(function, value):
    return None if value is None else keras.tree.map_structure(function, value)
