"""How much TensorFlow thinks before it computes."""

from __future__ import annotations

import keras


def rewrite_graphs(rewrite: bool) -> None:
    """Whether TensorFlow rewrites a traced graph for speed before its first run. Does nothing on
    other backends.

    For networks of cells the rewriting takes longer than a short training gains: a child of five
    cells of eight filters came to its first step after 19 s without it, 36 s with it, and its steps
    took as long either way.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not rewrite})
