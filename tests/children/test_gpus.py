"""Processes share the GPUs there are: none takes a whole card, and those side by side are on
different ones.
"""

import pytest

from nasnet_tf import gpus
from nasnet_tf.children import starting


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


def test_what_the_user_said_about_memory_stays():
    environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "true"}
    gpus.share_memory(environment)
    assert environment == {
        "XLA_PYTHON_CLIENT_PREALLOCATE": "true", "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    }  # fmt: skip
