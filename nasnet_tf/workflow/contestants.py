"""What `strategies` of a comparison names: strategies with commas between, each with settings."""

from __future__ import annotations

from typing import NamedTuple

from nasnet_tf.strategies import get

__all__ = ["Contestant", "contestants"]


class Contestant(NamedTuple):
    """A strategy with settings, as it was named: "ppo" or "ppo:minibatch=5,clip=0.1"."""

    label: str
    name: str
    settings: dict

    def make(self, space, seed=0):
        """The strategy. Raises ValueError if it does not take these settings."""
        try:
            return get(self.name)(space, seed, **self.settings)
        except TypeError as error:
            raise ValueError(
                f"{self.label}: {self.name} does not take these settings ({error})."
            ) from None


def contestants(text: str) -> list[Contestant]:
    """The strategies that a text names; settings follow a colon, with commas between them too."""
    found: list[Contestant] = []
    for piece in text.split(","):
        head, colon, rest = piece.strip().partition(":")
        if not colon and "=" in head and found and found[-1].settings:
            # a further setting of the strategy before
            label, name, settings = found.pop()
            found.append(Contestant(f"{label},{head}", name, settings | _setting(head)))
        else:
            get(head)
            found.append(Contestant(piece.strip(), head, _setting(rest) if colon else {}))
    labels = [contestant.label for contestant in found]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"{label} is given twice; name each once.")
    return found


def _setting(text):
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier() or not value:
        raise ValueError(f"{text!r} is no setting; give name=value, such as population=10.")
    for read in (int, float, {"true": True, "false": False}.__getitem__):
        try:
            return {name: read(value)}
        except (ValueError, KeyError):
            continue
    return {name: value}
