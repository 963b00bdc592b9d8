"""What all tests share: quiet TensorFlow, the same seed and dtype policy for every test, random genotypes."""

import gc
import os
import pathlib
import random
import sys

import hypothesis
import pytest

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # before anything imports TensorFlow
# Small products are several times as slow where threads of BLAS wait for each other; processes are what tests run in at once.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before anything imports NumPy
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])  # on busy machines
hypothesis.settings.load_profile("untimed")


def pytest_collection_finish():
    """What has been imported stays: Keras Tuner collects garbage before each trial, and this is not to be gone through."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def fresh_keras():
    """Same seed before, same dtype policy after every test; Keras is left alone where nothing has imported it."""
    keras = sys.modules.get("keras")
    policy = keras and keras.config.dtype_policy()
    if keras:
        keras.utils.set_random_seed(0)
    yield
    if keras:
        keras.config.set_dtype_policy(policy)
    elif "keras" in sys.modules:
        sys.modules["keras"].config.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def repository():
    """The folder that has the package, for processes that do not know it."""
    return str(pathlib.Path(__file__).resolve().parents[1])


@pytest.fixture(scope="session")
def random_cell():
    """A function: seed -> a sound cell of any operations, combinations and concatenation."""
    return _random_cell


@pytest.fixture(scope="session")
def random_genotype():
    """A function: seed -> a sound genotype of 1 to `most` blocks a cell."""
    from nasnet_tf.genotype import Genotype, check

    return lambda seed, most=5: check(Genotype(_random_cell(2 * seed, most), _random_cell(2 * seed + 1, most)))


def _random_cell(seed, most=5):
    from nasnet_tf.genotype import COMBINATIONS, OPERATION_NAMES, Block, Cell, check

    draw = random.Random(seed)
    blocks = tuple(
        Block(
            draw.randrange(n + 2),
            draw.choice(OPERATION_NAMES),
            draw.randrange(n + 2),
            draw.choice(OPERATION_NAMES),
            draw.choice(COMBINATIONS),
        )
        for n in range(draw.randint(1, most))
    )
    states = draw.sample(range(len(blocks) + 2), draw.randint(1, len(blocks) + 2))
    return check(Cell(blocks, tuple(states) if max(states) >= 2 else (*states, len(blocks) + 1)))
