"""Files are there whole or not at all."""

import pytest

from nasnet_tf.files import replacing, write_json, write_whole


def test_what_was_there_stays_if_writing_fails(tmp_path):
    path = tmp_path / "a.txt"
    write_whole(path, b"before")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"before" and [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, [1])
    write_json(path, {"a": None})
    assert path.read_text() == '{\n "a": null\n}' and len(list(tmp_path.iterdir())) == 1


def test_a_temporary_name_keeps_the_ending(tmp_path):
    with replacing(tmp_path / "m.weights.h5") as temporary:
        assert temporary.name.endswith(".weights.h5")
        temporary.write_bytes(b"x")


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="there is no folder .*nowhere; create it first"):
        write_whole(tmp_path / "nowhere" / "a.txt", b"")
