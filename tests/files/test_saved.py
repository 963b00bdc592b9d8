"""Files of weights: what our networks write is found damaged where it is; of what others write it
is said whether it could be checked.
"""

import gzip
import json
import os
import tarfile
import time
import zipfile

import h5py
import keras
import numpy as np
import pytest

from nasnet_tf.genotype import NAS_CELL, NASNET_A, Hierarchical, Layer, Layerwise, NASBench201
from nasnet_tf.network import Network
from nasnet_tf.saved import NOT_VERIFIED, verify
from nasnet_tf.systems import SYSTEMS, networks
from nasnet_tf.systems.dna.genotype import LINEAR
from nasnet_tf.zoo import load_weights
from nasnet_tf.zoo.checkpoints import unpacked
from nasnet_tf.zoo.load import load_model

ALL = (
    NASNET_A,
    NASBench201("nor_conv_1x1", *["none"] * 5),
    NAS_CELL,
    Hierarchical.chain((1,), (3,)),
    Layerwise((Layer(3, 3, 24),)),
    LINEAR,
)
GENOTYPES = {genotype.schema: genotype for genotype in ALL}
CIFAR = dict(stem="cifar", num_cells=1, filters=4, classes=3, input_shape=(8, 8, 3))


@pytest.fixture(scope="module")
def network():
    return Network("nasnet_a", **CIFAR)


@pytest.fixture(scope="module")
def folder(network, tmp_path_factory):
    """Files that Keras writes of a network of ours."""
    folder = tmp_path_factory.mktemp("saved")
    network.save(folder / "a.keras")
    network.save(folder / "a.h5")
    network.save_weights(folder / "a.weights.h5")
    network.save_weights(folder / "several.weights.json", max_shard_size=5e-5)
    network.save_weights(str(folder / "a.weights.h5"))  # once more
    return folder


def with_a_bit_turned(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << place % 8
    return bytes(content)


def test_every_file_of_weights_that_a_network_writes_has_a_checksum(folder):
    found = {path.name: verify(path) for path in folder.iterdir() if path.suffix != ".json"}
    assert len(found) >= 5 and all(said.startswith("verified: its") for said in found.values()), (
        found
    )


@pytest.mark.parametrize("name", ["a.weights.h5", "a.h5", "a.keras"])
def test_a_bit_turned_anywhere_is_noticed(folder, tmp_path, name):
    whole = (folder / name).read_bytes()
    places = {*range(0, len(whole), 499), *range(len(whole) - 120, len(whole))}
    for place in places:
        (tmp_path / name).write_bytes(with_a_bit_turned(folder / name, place))
        try:
            said = verify(tmp_path / name)
        except ValueError as error:
            assert name in str(error) and "\n" not in str(error)
            continue
        if (
            name == "a.keras"
        ):  # the zip's directory has no checksum: a file of it may be lost, which is then missed
            assert (said == NOT_VERIFIED and place < 2) or members(
                tmp_path / name
            ).items() <= members(folder / name).items()
        else:  # without its first bytes it is no HDF5 file, without its mark a checksum is none
            assert said == NOT_VERIFIED and (place < 8 or place > len(whole) - 90)


def members(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_damaged_weights_are_never_loaded(folder, network, tmp_path):
    kernel = network.get_layer("predictions").kernel.numpy().tobytes()
    before = network.get_weights()
    for name in ("a.weights.h5", "a.keras"):
        place = (folder / name).read_bytes().index(kernel)
        (tmp_path / name).write_bytes(with_a_bit_turned(folder / name, place))
        for load in (network.load_weights, lambda path: load_weights(network, path)):
            with pytest.raises(ValueError, match=name):
                load(tmp_path / name)
    with pytest.raises(ValueError, match="a.keras"):
        load_model(tmp_path / "a.keras")
    for weight, value in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_a_damaged_part_of_several_is_found(folder, network, tmp_path):
    for path in folder.glob("several*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    network.load_weights(tmp_path / "several.weights.json")
    part = max(tmp_path.glob("several_*"))
    part.write_bytes(with_a_bit_turned(part, part.stat().st_size // 2))
    with pytest.raises(ValueError, match=f"{part.name} is damaged"):
        network.load_weights(tmp_path / "several.weights.json")


def test_a_pipe_or_a_folder_in_place_of_weights_is_refused_at_once(network, tmp_path):
    os.mkfifo(tmp_path / "pipe.weights.h5")
    (tmp_path / "folder.weights.h5").mkdir()
    for name in ("pipe.weights.h5", "folder.weights.h5"):
        for load in (network.load_weights, lambda path: load_weights(network, path), load_model):
            with pytest.raises(ValueError, match=name):
                load(tmp_path / name)


def test_networks_of_every_genotype_write_checksums(tmp_path):
    networks.build(
        NASBench201(*["none"] * 6), num_cells=1, filters=2, input_shape=(8, 8, 3), classes=2
    ).save_weights(tmp_path / "b.weights.h5")
    assert verify(tmp_path / "b.weights.h5") == "verified: its SHA-256"


@pytest.mark.parametrize("schema", sorted(SYSTEMS))
def test_a_network_of_every_genotype_is_loaded_from_its_file(schema, tmp_path):
    genotype = GENOTYPES[schema]
    sizes = {} if getattr(genotype, "sized", False) else dict(num_cells=1, filters=4)
    shape = (
        dict(input_shape=(5,))
        if getattr(genotype, "reads", "") == "text"
        else dict(input_shape=(8, 8, 3))
    )
    model = networks.build(genotype, classes=3, **sizes, **shape)
    model.save(tmp_path / "a.keras")
    for one, other in zip(
        load_model(tmp_path / "a.keras").get_weights(), model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_report_says_whether_the_file_could_be_verified(folder, network, tmp_path):
    assert (
        str(load_weights(network, folder / "a.weights.h5"))
        .splitlines()[0]
        .endswith("arrays loaded; verified: its SHA-256")
    )
    assert load_weights(network, folder / "a.keras").verified == "verified: its CRC-32"
    bare = tmp_path / "bare.weights.h5"
    keras.saving.save_weights(network, bare)  # not the network's own method
    assert load_weights(network, bare).verified == NOT_VERIFIED
    with h5py.File(bare, "r") as file, h5py.File(tmp_path / "summed.weights.h5", "w") as summed:
        file.visititems(lambda name, thing: _summed(summed, name, thing))
    assert (
        load_weights(network, tmp_path / "summed.weights.h5").verified
        == "verified: Fletcher-32 of its arrays"
    )
    assert load_weights(network, network).verified == ""


def _summed(file, name, dataset):
    if isinstance(dataset, h5py.Dataset):
        file.create_dataset(name, data=dataset[...], fletcher32=len(dataset.shape) > 0 or None)


# ---- files that would become large ----


def archive(path, config, weights=b"", compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("metadata.json", "{}")
        file.writestr("config.json", config)
        file.writestr("model.weights.h5", weights)
    return path


@pytest.mark.parametrize("load", [load_model, verify])
def test_an_archive_that_unpacks_to_far_more_is_refused(tmp_path, load):
    for path in (
        archive(tmp_path / "a.keras", " " * 150_000_000),
        archive(tmp_path / "b.keras", "{}", bytes(150_000_000)),
    ):
        with pytest.raises(
            ValueError, match=f"{path.name} .*unpacks from|{path.name} .*config.json has"
        ):
            load(path)


def test_a_network_that_is_larger_than_its_weights_is_not_built(folder, tmp_path):
    with zipfile.ZipFile(folder / "a.keras") as file:
        config, weights = json.loads(file.read("config.json")), file.read("model.weights.h5")
    for name, value in (
        ("filters", 10_000),
        ("classes", 10**9),
        ("num_cells", 900),
        ("num_cells", 10**9),
    ):
        path = archive(
            tmp_path / "large.keras",
            json.dumps({**config, "config": {**config["config"], name: value}}),
            weights,
        )
        with pytest.raises(ValueError, match="large.keras"):
            load_model(path)


def test_a_packed_checkpoint_that_unpacks_to_far_more_is_refused(tmp_path):
    for kind in ("data", "header"):
        with tarfile.open(tmp_path / f"{kind}.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as file:
            member = tarfile.TarInfo("model.ckpt.data-00000-of-00001")
            member.size = 40_000_000 if kind == "data" else 0
            member.pax_headers = {"comment": "a" * 5_000_000} if kind == "header" else {}
            file.addfile(member, _Zeros() if kind == "data" else None)
        with (
            pytest.raises(ValueError, match="unpacks to more than 100 times|has a header of"),
            unpacked(tmp_path / f"{kind}.tar.gz"),
        ):
            pass


def test_a_packed_file_of_zeros_is_no_checkpoint_and_takes_no_time(tmp_path):
    (tmp_path / "zeros.tar.gz").write_bytes(gzip.compress(bytes(100_000_000), 1))
    begun = time.process_time()
    with (
        pytest.raises(ValueError, match="holds 0 checkpoints"),
        unpacked(tmp_path / "zeros.tar.gz"),
    ):
        pass
    assert time.process_time() - begun < 2


class _Zeros:
    def read(self, size):
        return bytes(size)
