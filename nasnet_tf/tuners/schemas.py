"""Keras Tuner's hyperparameters as the schemas of a study."""

from __future__ import annotations

from keras_tuner.src.engine import hyperparameters as kt_hp

from nasnet_tf.contracts.categorical import CategoricalSpace, Decision
from nasnet_tf.contracts.space import Space
from nasnet_tf.study import SearchSchema

__all__ = ["OracleSchemas", "TunerSchema", "decisions_of"]

_MOST_OPTIONS = 1000


class TunerSchema(SearchSchema):
    """Hyperparameters as they were declared at some time.

    Args:
        hyperparameters: Keras Tuner's.
        epochs: as `SearchSchema`.
        space: the hypermodel's, if there is one: it counts if it has no decisions.
    Raises: ValueError if there is no choice, or a continuous one.
    """

    def __init__(self, hyperparameters, epochs=None, space=None):
        super().__init__(hyperparameters.space, decisions_of(hyperparameters, space), epochs)
        self._hps = {name: list(hps) for name, hps in hyperparameters._hps.items()}

    def hyperparameters(self, values):
        """Keras Tuner's hyperparameters with these values. What describes the choices is shared, so
        that it costs little.
        """
        hp = kt_hp.HyperParameters()
        hp._space = list(self.parameters)
        hp._hps.update((name, list(hps)) for name, hps in self._hps.items())
        hp.values = values
        return hp


class OracleSchemas:
    """What an oracle's hyperparameters declare, which grows as children ask for more: what
    `nasnet_tf.study.schema.SpaceSchemas` is for a space.

    Args:
        oracle: its `hyperparameters` and `space` are read.

    Attributes:
        is_whole: whether no hyperparameters can come that a log declares and the oracle does not.
        epochs: of the study.
    """

    def __init__(self, oracle, is_whole: bool):
        self._oracle, self.is_whole, self.epochs = oracle, is_whole, None
        self._newest = None

    @property
    def count(self) -> int:
        """How many hyperparameters are declared."""
        return len(self._oracle.hyperparameters.space)

    def current(self) -> TunerSchema:
        """The schema as it is declared now."""
        if self._newest is None or len(self._newest.parameters) != self.count:
            oracle = self._oracle
            self._newest = TunerSchema(oracle.hyperparameters, self.epochs, oracle.space)
        return self._newest

    def free(self) -> Space | None:
        """What is chosen; None before anything is declared."""
        oracle = self._oracle
        return decisions_of(oracle.hyperparameters, oracle.space) if self.count else None

    def record(self) -> dict:
        """The declared hyperparameters as a record of the log."""
        declared = self._oracle.hyperparameters.space
        return {
            "space": [
                {"class_name": type(hp).__name__, "config": hp.get_config()} for hp in declared
            ]
        }

    def restore(self, record: dict) -> TunerSchema:
        """Declares the hyperparameters of such a record, at their defaults."""
        hp = kt_hp.HyperParameters()
        hp.merge(kt_hp.HyperParameters.from_config({"space": record["space"], "values": {}}))
        self._oracle.hyperparameters, self._newest = hp, None
        return self.current()


def decisions_of(hyperparameters, space=None) -> Space:
    """The discrete choices among `hyperparameters`; `space`, if that has no decisions. Raises
    ValueError for a choice it cannot be.
    """
    if space is not None and not space.decisions:
        for hp in hyperparameters.space:
            if not isinstance(hp, kt_hp.Fixed):
                raise ValueError(
                    f"{hp.name!r} is a choice beside those of a {type(space).__name__}, which has"
                    " no list of them; use hp.Fixed."
                )
        return space
    found = {}
    for hp in hyperparameters.space:
        if not isinstance(hp, kt_hp.Fixed):  # one name may stand under several parents
            found[hp.name] = tuple(dict.fromkeys((*found.get(hp.name, ()), *_options(hp))))
    if not found:
        raise ValueError(
            "the hypermodel makes no choices; its build(hp) must ask for at least one, such as"
            " hp.Choice('units', [16, 32]). The choices of a run_trial() without hypermodel are"
            " declared before: give them as hyperparameters."
        )
    return CategoricalSpace([Decision(name, options) for name, options in found.items()])


def _options(hp):
    if isinstance(hp, kt_hp.Choice):
        return tuple(hp.values)
    if isinstance(hp, kt_hp.Boolean):
        return (False, True)
    if isinstance(hp, kt_hp.Int) or getattr(hp, "step", None):
        values = list(hp.values)
        if len(values) <= _MOST_OPTIONS:
            return tuple(values)
    raise ValueError(
        f"{hp.name!r} is not a choice among few values ({type(hp).__name__}); use hp.Choice, or"
        " hp.Int or hp.Float with a step."
    )
