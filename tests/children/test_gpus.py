"""Processes share the GPUs there are: none takes a whole card, and those side by side are on
different ones.
"""

import pytest

from nasnet_tf import gpus
from nasnet_tf.children import starting
from nasnet_tf.training import devices
from nasnet_tf.workflow import SearchOptions, studies
from nasnet_tf.workflow.catalogue import make_space


@pytest.mark.parametrize(
    "named, number, expected",
    [
        ("0,1,2", 0, "0"),
        ("0,1,2", 4, "1"),
        ("GPU-a, GPU-b", 1, "GPU-b"),
        ("3", 1, "3"),  # as it is
        ("", 1, ""),
    ],
)
def test_workers_take_turns_with_the_cards(monkeypatch, named, number, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    started = {}
    monkeypatch.setattr(
        starting.subprocess, "Popen", lambda *_, **given: started.update(given["env"])
    )
    starting.start(1, None, number)
    assert started["CUDA_VISIBLE_DEVICES"] == expected
    assert started["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert started["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"


def test_what_the_user_said_stays_and_jax_keeps_what_it_compiles(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "true"}
    gpus.set_defaults(environment)
    assert environment == {
        "XLA_PYTHON_CLIENT_PREALLOCATE": "true",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "nasnet_tf" / "compiled"),
    }
    environment = {"JAX_COMPILATION_CACHE_DIR": "elsewhere"}
    gpus.set_defaults(environment)
    assert environment["JAX_COMPILATION_CACHE_DIR"] == "elsewhere"


def options(**given):
    return SearchOptions(data="digits", **given).filled(space="nasnet")


@pytest.mark.parametrize(
    "cards, jax, given, told",
    [
        ("0", False, {}, True),
        ("0", True, {}, False),  # they are trained there
        ("", False, {}, False),
        ("0", False, {"child_kernels": "cpu"}, False),  # as was asked for
        ("0", False, {"strategy": "one-shot"}, False),  # which trains on it
    ],
)
def test_a_search_says_what_would_make_it_faster_on_a_gpu(monkeypatch, cards, jax, given, told):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", cards)
    monkeypatch.setattr(devices, "jax_has_accelerator", lambda: jax)
    line = studies.hint_of(options(**given), make_space("nasnet", 2))
    assert (line is not None) is told
    assert not told or "pip install 'nasnet-tf[jax-gpu]'" in line
