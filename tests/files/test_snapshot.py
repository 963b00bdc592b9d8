"""A snapshot is read back as it was written, or refused; the states of earlier versions are still
read.
"""

import json
import math
import os
import stat
import zlib

import numpy as np
import pytest

from nasnet_tf.files import write_json, write_whole
from nasnet_tf.journal import Journal
from nasnet_tf.saved import seal
from nasnet_tf.snapshot import read_snapshot, write_snapshot


def test_a_snapshot_is_read_back_as_it_was_written(tmp_path):
    path = tmp_path / "state"
    write_snapshot(
        path, {"a/b": np.arange(3.0), "c": np.array(7)}, epoch=3, rows=[{"loss": math.inf}], of=None
    )
    arrays, facts = read_snapshot(path, ["epoch", "rows", "of"])
    assert facts == {"epoch": 3, "rows": [{"loss": math.inf}], "of": None} and list(arrays) == [
        "a/b",
        "c",
    ]
    assert arrays["a/b"].tolist() == [0, 1, 2] and arrays["c"] == 7
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


def test_arrays_without_names_are_numbered(tmp_path):
    weights = [np.zeros((2, 3)), np.ones(4)]
    write_snapshot(tmp_path / "a.npz", weights, best=0.5)
    arrays, facts = read_snapshot(tmp_path / "a.npz", ["best"], like=weights)
    assert list(arrays) == ["0", "1"] and arrays["1"].tolist() == [1] * 4 and facts == {"best": 0.5}


@pytest.mark.parametrize(
    "facts, like, says",
    [
        (["best"], [np.zeros(3)], "holds the arrays of another training"),
        (["best"], [np.zeros(2), np.zeros(2)], "holds the arrays of another training"),
        (["best", "of"], None, "lacks 'of'"),
        (["0"], None, "is no snapshot of this kind"),
    ],
)
def test_another_snapshot_is_refused(tmp_path, facts, like, says):
    write_snapshot(tmp_path / "a.npz", [np.zeros(2)], best=1)
    with pytest.raises(ValueError, match=f"a.npz {says}"):
        read_snapshot(tmp_path / "a.npz", facts, like)


def test_every_damaged_byte_of_an_array_and_every_lost_end_is_noticed(tmp_path):
    path = tmp_path / "a.npz"
    write_snapshot(path, [np.arange(5)], best=1)
    whole = path.read_bytes()
    at = whole.index(np.arange(5).tobytes())
    for place in range(at, at + 40, 8):
        path.write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
        with pytest.raises(ValueError, match="a.npz is not a readable .npz file"):
            read_snapshot(path)
    for end in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match="a.npz is not a readable .npz file"):
            read_snapshot(path)


def test_states_of_earlier_versions_are_read(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, best=0.25, **{"0": np.ones(2)})  # training/keep.py
    assert read_snapshot(path, ["best"], like=[np.ones(2)])[1] == {"best": 0.25}
    np.savez(
        path, of=json.dumps({"epochs": 2}), rows=json.dumps([{"loss": 1.0}]), **{"0": np.ones(2)}
    )  # tuners/progress.py
    assert read_snapshot(path, ["of", "rows"])[1] == {"of": {"epochs": 2}, "rows": [{"loss": 1.0}]}
    np.savez(
        path, history=7, observed=np.array(1)
    )  # tuners/learner.py, which added a checksum of its own
    path.write_bytes(path.read_bytes() + b"%08x" % zlib.crc32(path.read_bytes()))
    arrays, facts = read_snapshot(path, ["history"])
    assert facts == {"history": 7} and list(arrays) == ["observed"]


def test_a_missing_snapshot_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_snapshot(tmp_path / "a.npz")


def sealed(path):
    path.write_bytes(b"weights")
    seal(path)


WAYS = {
    "write_whole": lambda path: write_whole(path, b"content"),
    "write_json": lambda path: write_json(path, {"a": 1}),
    "write_snapshot": lambda path: write_snapshot(path, [np.ones(3)], best=1),
    "seal": sealed,
    "journal": lambda path: Journal(path, {"seed": 0}).close(),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_new_file_is_flushed_and_then_its_folder(tmp_path, monkeypatch, way):
    done, fsync, replace = [], os.fsync, os.replace

    def flushed(file):
        done.append("folder" if stat.S_ISDIR(os.fstat(file).st_mode) else "file")
        fsync(file)

    def renamed(*names):
        done.append("renamed")
        replace(*names)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    WAYS[way](tmp_path / "a")
    assert done == (
        ["file", "renamed", "folder"] if way.startswith("write") else ["file", "folder"]
    )
