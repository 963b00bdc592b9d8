"""The kinds of file that the package reads, for fuzz.py: a sound one of each, how it is read, and
bombs of its kind.

A kind is a class: `make(folder)` writes a sound file or several; `read(folder)` reads them as a
user would, and returns what can be compared; `checked` says whether the format has checksums, so
that what is read must be what was written or nothing; `inner(content, name, rng, others)` damages
what is inside a packed file, whose checksums are then right; `bombs` are contents that nobody
means. What is damaged is the file `target`, or any of the files.
"""

from __future__ import annotations

import base64
import bz2
import csv
import functools
import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile
import zlib

import numpy as np
from mutations import DEEP, altered, damaged

KINDS = {}


def kind(name, share=1, heavy=False):
    """Enters a kind. Of all cases it gets `share`; heavy ones build networks."""

    def enter(cls):
        cls.name, cls.share, cls.heavy = name, share, heavy
        KINDS[name] = cls()
        return cls

    return enter


class Kind:
    checked, target, bombs, command = False, None, {}, None

    def inner(self, content, name, rng, others):
        return None


class Json(Kind):
    """A JSON file: its document is altered, or its bytes."""

    bombs = {"deep": DEEP.encode(), "blanks": b" " * 30_000_000, "digits": b"1" * 1_000_000}

    def inner(self, content, name, rng, others):
        return altered(content.decode(), rng).encode("utf-8", "replace")


def _doubling(levels):
    motifs = [
        [["conv_1x1", "none", "conv_1x1"]],
        *[[["motif_0", "none", "motif_0"]]] * (levels - 1),
    ]
    return json.dumps({"schema": "nasnet_tf.hierarchical", "version": 1, "levels": motifs}).encode()


def _genotypes():
    from nasnet_tf import genotype as g
    from nasnet_tf.spaces import HierarchicalSpace

    rng = np.random.default_rng(0)
    motifs = HierarchicalSpace()
    filters = g.DNA(
        (g.Vertex(0, "linear"), g.Vertex(1, "bn_relu"), g.Vertex(2, "linear")),
        (
            g.Edge(0, 0, 1, False, g.Filter(3.0, 3.0, 1.0, 8.0)),
            g.Edge(1, 1, 2),
            g.Edge(2, 0, 2, True),
        ),
        0.1,
    )
    return {
        "cells": g.NASNET_A,
        "nas_bench_201": g.NASBench201(
            "nor_conv_3x3", "none", "skip_connect", "avg_pool_3x3", "nor_conv_1x1", "none"
        ),
        "recurrent": g.NAS_CELL,
        "hierarchical": motifs.decode(motifs.random(rng)),
        "layerwise": g.Layerwise(
            (
                g.Layer(3, 3, 24),
                g.Layer(5, 3, 36, (2, 2), True, (1,)),
                g.Layer(3, 7, 24, (1, 1), False, (1, 2)),
            )
        ),
        "dna": filters,
    }


class GenotypeFile(Json):
    command = ["info", "{}/g.json"]

    def make(self, folder):
        (folder / "g.json").write_text(_genotypes()[self.name.split()[1]].to_json() + "\n")

    def read(self, folder):
        from nasnet_tf import genotype as genotypes
        from nasnet_tf.cost import cost_of

        found = genotypes.load(folder / "g.json")
        if genotypes.from_json(found.to_json()) != found:
            raise AssertionError("a genotype is not what it says in JSON")
        return [found.to_json(), found.lines(), found.canonical_key(), list(cost_of(found))]


for _name in ("cells", "nas_bench_201", "recurrent", "hierarchical", "layerwise", "dna"):
    kind(f"genotype {_name}", 2)(type("One", (GenotypeFile,), {}))
KINDS["genotype hierarchical"].bombs = {
    **Json.bombs,
    **{f"levels {n}": _doubling(n) for n in (14, 20, 31, 500)},
}


@kind("recipe", 2)
class RecipeFile(Json):
    command = ["train", "nasnet_a", "--data", "{}/none", "--recipe", "{}/r.json"]

    def make(self, folder):
        from nasnet_tf.training.recipe import RECIPES

        (folder / "r.json").write_text(RECIPES["cifar"].to_json())

    def read(self, folder):
        from nasnet_tf.training.recipe import get

        return get(str(folder / "r.json")).to_json()


HEAD = {
    "format": 2,
    "seed": 0,
    "strategy": "random",
    "settings": {},
    "objective": {"score": "max"},
    "decisions": {"a": [1, 2]},
}


@kind("run folder", 4)
class RunFolder(Json):
    command = ["status", "{}"]

    def make(self, folder):
        from nasnet_tf.files import write_json
        from nasnet_tf.journal import Journal

        write_json(
            folder / "config.json",
            {"data": "digits", "strategy": "auto", "seed": 0, "minutes": 1.0, "space": "nasnet"},
        )
        result = {
            "model": "model.keras",
            "accuracy": 0.98,
            "loss": 0.1,
            "images": 360,
            "parameters": 1234,
        }
        write_json(folder / "result.json", result)
        log = Journal(folder / "trials.log", HEAD)
        for number in range(4):
            log.append({"begin": str(number), "point": [number % 2], "key": f"{number:032x}"})
            log.append(
                {
                    "end": str(number),
                    "status": "COMPLETED",
                    "score": number / 10,
                    "seconds": 1.5,
                    "metrics": {"score": number / 10},
                }
            )
        log.close()

    def read(self, folder):
        from nasnet_tf.cli.status import lines
        from nasnet_tf.workflow import status

        facts = status(folder)
        return [json.dumps(facts), list(lines(facts))]

    def inner(self, content, name, rng, others):
        return (
            _of_records(content, rng)
            if name.startswith("trials.log")
            else super().inner(content, name, rng, others)
        )


def _of_records(content, rng):
    """The lines of a log, one of them altered and its checksum made right, or lines at other
    places.
    """
    lines = content.splitlines(keepends=True)
    place = rng.randrange(len(lines))
    if rng.random() < 0.6:
        text = altered(lines[place][9:].decode(), rng).replace("\n", " ").encode("utf-8", "replace")
        lines[place] = b"%08x %b\n" % (zlib.crc32(text), text)
    else:
        rng.choice(
            (
                lambda: lines.insert(place, rng.choice(lines)),
                lambda: lines.pop(place),
                lambda: rng.shuffle(lines),
            )
        )()
    return b"".join(lines)


@kind("journal", 3)
class JournalFile(Kind):
    checked = True
    RECORDS = [{"begin": str(n), "point": [n, 1]} for n in range(20)]

    def make(self, folder):
        from nasnet_tf.journal import Journal

        log = Journal(folder / "t.log", {"seed": 1})
        log.append(*self.RECORDS)
        log.close()

    def read(self, folder):
        from nasnet_tf.journal import Journal, read

        found = read(folder / "t.log")
        log = Journal(folder / "t.log", {"seed": 1})
        try:
            log.append({"more": 1})
        finally:
            log.close()
        again = read(folder / "t.log")
        if again.records != [*found.records, {"more": 1}]:
            raise AssertionError("a log does not go on with what it has")
        if len(set(map(json.dumps, found.records))) < len(found.records):
            raise ValueError("a record is there twice, which the reader of trials refuses")
        return found.records


# ---- .npz ----


@kind("npz data", 4)
class NpzData(Kind):
    checked, packed, command = True, False, ["search", "{}/d.npz", "--max-trials", "0"]

    def make(self, folder):
        rng = np.random.default_rng(0)
        arrays = {
            "x_train": rng.integers(0, 256, (40, 8, 8, 1), np.uint8),
            "y_train": np.arange(40) % 4,
        }
        arrays |= {
            "x_test": arrays["x_train"][:8],
            "y_test": arrays["y_train"][:8],
            "class_names": np.array(list("abcd")),
        }
        (np.savez_compressed if self.packed else np.savez)(folder / "d.npz", **arrays)

    def read(self, folder):
        from nasnet_tf import data

        found = data.load(folder / "d.npz")
        return [
            found.x_train,
            found.y_train,
            found.x_validation,
            found.x_test,
            found.y_test,
            found.class_names,
        ]

    def inner(self, content, name, rng, others):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {member: archive.read(member) for member in archive.namelist()}
        member = rng.choice([member for member in members])
        members[member] = damaged(members[member], rng, others)
        text = io.BytesIO()
        with zipfile.ZipFile(
            text, "w", zipfile.ZIP_DEFLATED if self.packed else zipfile.ZIP_STORED
        ) as archive:
            for member, inside in members.items():
                archive.writestr(member, inside)
        return text.getvalue()

    @functools.cached_property
    def bombs(self):
        return {
            "zeros": _npz(
                {
                    "x_train": _npy((3_000_000, 64, 1, 1), 192_000_000),
                    "y_train": _npy((3_000_000,), 3_000_000),
                }
            ),
            "a header of much": _npz(
                {"x_train": _npy((10**9, 64, 64, 3), 1000), "y_train": _npy((10**9,), 1000)}
            ),
            "negative": _npz({"x_train": _npy((-1, 8, 8, 1), 640), "y_train": _npy((10,), 10)}),
            "no number": _npz({"x_train": _npy(("a",), 640), "y_train": _npy((10,), 10)}),
        }


@kind("npz data (packed)", 2)
class PackedData(NpzData):
    packed = True


def _npy(shape, size):
    head = (
        f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape!r}, }}".ljust(117).encode()
        + b"\n"
    )
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + bytes(size)


def _npz(members):
    text = io.BytesIO()
    with zipfile.ZipFile(text, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return text.getvalue()


# ---- tables ----


class Table(Kind):
    file, command = (
        "t.csv",
        [
            "compare",
            "--table",
            "{}/t.csv",
            "--strategies",
            "random",
            "--budget",
            "2",
            "--runs",
            "1",
        ],
    )

    def make(self, folder):
        text = io.StringIO()
        csv.writer(text).writerows(self.rows())
        (folder / self.file).write_bytes(self.pack(text.getvalue().encode()))

    def rows(self):
        values = ("conv", "pool", "1e3")
        return [
            ["one", "other", "signal", "test", "cost"],
            *([a, b, len(a + b) / 10, 0.5, 12.0] for a in values for b in values),
        ]

    def pack(self, content):
        return content

    def read(self, folder):
        from nasnet_tf.evaluation import Table

        found = Table.read(folder / self.file)
        return [len(found), found.best, found.mean_cost]


@kind("table", 3)
class Decisions(Table):
    bombs = {
        "a long line": b"a," * 5_000_000,
        "columns": b",".join(b"c%d" % n for n in range(9000)) + b"\n",
        "quote": b'"' * 200_000,
    }


@kind("table of genotypes", 2)
class OfGenotypes(Table):
    def rows(self):
        from nasnet_tf.spaces import NASNetSpace

        space = NASNetSpace(2)
        rng = np.random.default_rng(0)
        return [
            ["genotype", "signal"],
            *([space.decode(space.random(rng)).to_json(), n / 10] for n in range(6)),
        ]


@kind("table of NAS-Bench-201", 2)
class OfArches(Table):
    def rows(self):
        arches = [
            f"|{a}~0|+|{b}~0|none~1|+|none~0|none~1|{a}~2|"
            for a in ("none", "nor_conv_3x3")
            for b in ("skip_connect", "none")
        ]
        return [
            ["arch", "c10valid_12", "c10_test_200", "c10_cost_12_s"],
            *([arch, 80 + n, 90 + n, 100] for n, arch in enumerate(arches)),
        ]


@kind("table (gzipped)", 2)
class Gzipped(Table):
    file, command = (
        "t.csv.gz",
        [
            "compare",
            "--table",
            "{}/t.csv.gz",
            "--strategies",
            "random",
            "--budget",
            "2",
            "--runs",
            "1",
        ],
    )
    checked = True
    bombs = {
        "zeros": gzip.compress(bytes(400_000_000), 1),
        "rows": gzip.compress(b"a,signal\n" + b"ab,1\n" * 60_000_000, 1),
    }

    def pack(self, content):
        return gzip.compress(content, mtime=0)


@kind("NATS-Bench", 3)
class Nats(Kind):
    checked = True
    command = ["compare", "--table", "{}", "--strategies", "random", "--budget", "2", "--runs", "1"]

    def make(self, folder):
        archs = [
            "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|",
            "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        ]
        files = {"meta": {"meta_archs": archs, "evaluated_indexes": {0, 1}}}
        files |= {f"{number:06d}": self._cell(number, arch) for number, arch in enumerate(archs)}
        for name, content in files.items():
            (folder / f"{name}.pickle.pbz2").write_bytes(
                bz2.compress(pickle.dumps(content, protocol=4))
            )

    def _cell(self, number, arch):
        found = {}
        for epochs in (12, 200):
            runs = {
                ("cifar10-valid", 777): self._run("x-valid", epochs),
                ("cifar10", 777): self._run("ori-test", epochs),
            }
            seeds = {"cifar10-valid": [777], "cifar10": [777]}
            found[str(epochs)] = {
                "arch_index": number,
                "arch_str": arch,
                "all_results": runs,
                "dataset_seed": seeds,
            }
        return found

    def _run(self, split, epochs):
        last = f"{split}@{epochs - 1}"
        found = {"epochs": epochs, "flop": np.float64(1.5), "train_times": {0: 7.0, 1: 8.0}}
        return found | {"eval_acc1es": {last: 60.0}, "eval_times": {last: 0.5}}

    def read(self, folder):
        from nasnet_tf.evaluation import Table

        found = Table.read(folder)
        return [len(found), found.best, found.mean_cost]

    def inner(self, content, name, rng, others):
        try:
            text = bz2.decompress(content)
        except (OSError, ValueError):
            return None
        return bz2.compress(damaged(text, rng, others))

    @functools.cached_property
    def bombs(self):
        gets = b"".join(b"h%ch%c\x86q%c" % (n, n, n + 1) for n in range(60))
        deep = b"\x85" * 2_000_000
        return {
            "tuples": bz2.compress(b"\x80\x02}()q\x00" + gets + b"Nu."),
            "deep tuples": bz2.compress(b"\x80\x02}()" + deep + b"Nu."),
            "deep lists": bz2.compress(b"\x80\x02(" + b"(" * 3_000_000 + b"l" * 3_000_000 + b"."),
            "zeros": bz2.compress(bytes(200_000_000)),
            "code": bz2.compress(b"\x80\x02cposix\nsystem\n(X\x02\x00\x00\x00ls\x85R."),
        }


@kind("NAS-Bench-101", 3)
class NASBench101(Kind):
    checked, command = (
        True,
        [
            "compare",
            "--table",
            "{}/t.tfrecord",
            "--strategies",
            "random",
            "--budget",
            "2",
            "--runs",
            "1",
        ],
    )

    def make(self, folder):
        modules = [
            ("010001000", "input,maxpool3x3,output"),
            ("0100", "input,output"),
            ("0110001100010000", "input,conv3x3-bn-relu,conv1x1-bn-relu,output"),
        ]
        records = [
            json.dumps(["a" * 32, 108, *module, self._metrics(share)]).encode()
            for module in modules
            for share in (0.7, 0.8, 0.9)
        ]
        (folder / "t.tfrecord").write_bytes(b"".join(map(_record, records)))

    def _metrics(self, share):
        evaluation = b"".join(
            bytes([field << 3 | 1]) + struct.pack("<d", value)
            for field, value in ((2, 100.0), (4, share), (5, share))
        )
        return base64.b64encode((b"\x0a" + bytes([len(evaluation)]) + evaluation) * 3).decode()

    def read(self, folder):
        from nasnet_tf.evaluation import Table

        found = Table.read(folder / "t.tfrecord")
        return [len(found), found.best, found.mean_cost]

    def inner(self, content, name, rng, others):
        records, place = [], 0
        while place + 12 <= len(content):
            (size,) = struct.unpack_from("<Q", content, place)
            records.append(content[place + 12 : place + 12 + size])
            place += size + 16
        number = rng.randrange(len(records))
        record = records[number]
        records[number] = (
            altered(record.decode(), rng).encode("utf-8", "replace")
            if rng.random() < 0.5
            else damaged(record, rng, others)
        )
        records[number] = records[number][:9000]  # to sum a longer one takes a while
        return b"".join(map(_record, records))

    bombs = {"a huge length": b"\xff" * 8 + b"0" * 100}


def _record(data):
    from nasnet_tf.tables.tfrecord import _sums

    head = struct.pack("<Q", len(data))
    padded = data.ljust(4, b" ")
    return (
        head
        + struct.pack("<I", int(_sums([head])[0]))
        + data
        + struct.pack("<I", int(_sums([padded])[0]))
    )


@kind("text", 2)
class TextFile(Kind):
    bombs = {"a word": b"a" * 20_000_000, "null": bytes(100)}

    def make(self, folder):
        (folder / "t.txt").write_bytes(("the cat — sat on\r\nthe mat, again. " * 60).encode())

    def read(self, folder):
        from nasnet_tf.data.text import load_text

        found = load_text(folder / "t.txt", steps=5)
        return [found.vocabulary, found.train, found.test]


@kind("training state", 2)
class TrainingState(Json):
    """The state of a training: damage to the weights is noticed by their SHA-256."""

    def make(self, folder):
        import hashlib

        weights = np.random.default_rng(0).bytes(3000)
        (folder / "0_1.last.weights.h5").write_bytes(weights)
        state = {
            "phase": 0,
            "epoch": 1,
            "seconds": 1.0,
            "history": [{"loss": 1.0}],
            "weights": "0_1.last.weights.h5",
        }
        state |= {
            "sha256": hashlib.sha256(weights).hexdigest(),
            "random": [[1, 2]],
            "training": {"epochs": 3},
        }
        (folder / "training.json").write_text(json.dumps(state))

    def read(self, folder):
        from nasnet_tf.training.checkpoint import Checkpoint

        checkpoint = Checkpoint(folder, {"epochs": 3})
        state = checkpoint.resume()
        return (folder / state["weights"]).read_bytes()

    def inner(self, content, name, rng, others):
        return (
            super().inner(content, name, rng, others)
            if name.endswith(".json")
            else damaged(content, rng, others)
        )


def tar_of(members, header=0):
    text = io.BytesIO()
    with tarfile.open(fileobj=text, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.pax_headers = {"comment": "a" * header} if header else {}
            archive.addfile(member, io.BytesIO(content))
    return text.getvalue()
