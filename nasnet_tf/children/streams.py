"""`tf.data` across processes: a data set cannot be pickled, so its elements are sent one by one, on
request.

Shuffling and augmentation run in the process that made the data set.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple


class Stream(NamedTuple):
    """Stands in for a `tf.data.Dataset` in what is sent to a worker."""

    number: int
    spec: Any
    cardinality: int


class Source:
    """The data sets of one call, on the side that has them."""

    def __init__(self):
        self.datasets, self._iterators = [], {}

    def outgoing(self, value):
        """`value`, or a Stream in place of a `tf.data.Dataset`."""
        if not is_dataset(value):
            return value
        self.datasets.append(value)
        return Stream(len(self.datasets) - 1, value.element_spec, int(value.cardinality()))

    def answer(self, what, number):
        """Answers a request of the worker: "restart" begins a pass over a data set, "next" returns
        its next element, or None at the end.
        """
        import tensorflow as tf

        if what == "restart":
            self._iterators[number] = iter(self.datasets[number])
            return True
        element = next(self._iterators[number], None)
        if element is None:
            return None
        return tf.nest.map_structure(lambda tensor: tensor.numpy(), element)


def incoming(value, ask):
    """`value`, or a data set in place of a Stream, in the worker. `ask(what, number)` returns what
    `Source.answer` does.
    """
    if not isinstance(value, Stream):
        return value
    import tensorflow as tf

    def elements():
        ask("restart", value.number)
        while (element := ask("next", value.number)) is not None:
            yield element

    dataset = tf.data.Dataset.from_generator(elements, output_signature=value.spec)
    if value.cardinality == tf.data.UNKNOWN_CARDINALITY:
        return dataset
    return dataset.apply(tf.data.experimental.assert_cardinality(value.cardinality))


def is_dataset(value) -> bool:
    """Whether `value` is a `tf.data.Dataset`. Does not import TensorFlow."""
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(value, tensorflow.data.Dataset)
