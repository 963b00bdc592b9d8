"""Reads thousands of damaged, swollen and senseless files of every kind that the package reads.

    python benchmarks/fuzz.py [--cases 5000] [--commands 200] [--seed 0]
        [--kinds "npz data,recipe"] [--only KIND:NUMBER] [--light]

In-process: each case within 10 seconds of its own processor time and a gigabyte more of address
space than before. It passes if the file is refused by a ValueError or an OSError of one line, or
read as what it says: of formats with checksums, as what was written. Commands: exit status 2 and
one line, or 0; never a traceback. Prints a table, a row a kind, and every failure with how to
repeat it; exit status 1 if there is one.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import json
import multiprocessing
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter, defaultdict

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import fuzz_networks  # noqa: F401  enters its kinds
from fuzz_kinds import KINDS
from mutations import damaged

SECONDS, BYTES = 10.0, 1 << 30
_BLOCKED = 60.0  # seconds by the clock for a process that does nothing
_STARTING = 120.0  # seconds for a process to import all and read one sound file
_SPECIAL = ("pipe", "folder", "/dev/zero", "dangling", "/dev/full", "itself")


class Samples:
    """Sound files of each kind, made once."""

    def __init__(self, root):
        self.root = pathlib.Path(root)

    def folder(self, name):
        folder = self.root / name.replace(" ", "_").replace("/", "_")
        if not folder.is_dir():
            unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
            unfinished.mkdir(parents=True)
            KINDS[name].make(unfinished)
            os.replace(unfinished, folder)
        return folder

    @functools.cached_property
    def others(self):
        """Contents of small files of all kinds."""
        return [
            path.read_bytes()
            for path in sorted(self.root.glob("*/*"))
            if path.is_file() and path.stat().st_size < 100_000
        ] or [b"x"]


def spoil(samples, name, number, seed, target):
    """Puts the files of a case into the folder `target`. Returns what was done, in words."""
    kind, rng = KINDS[name], random.Random(f"{seed} {name} {number}")
    shutil.copytree(samples.folder(name), target)
    file = rng.choice(sorted(path for path in target.iterdir()))
    content, bombs = file.read_bytes(), kind.bombs
    if number < len(bombs):
        bomb = sorted(bombs)[number]
        sorted(target.iterdir())[0].write_bytes(bombs[bomb])
        return f"bomb: {bomb}"
    if number < len(bombs) + len(_SPECIAL):
        special = _SPECIAL[number - len(bombs)]
        file.unlink()
        if special == "pipe":
            os.mkfifo(file)
        elif special == "folder":
            file.mkdir()
        else:
            file.symlink_to({"dangling": "nowhere", "itself": file.name}.get(special, special))
        return f"special: {special}"
    others = samples.others
    inside = kind.inner(content, file.name, rng, others) if rng.random() < 0.5 else None
    file.write_bytes(damaged(content, rng, others) if inside is None else inside)
    return f"{'damaged' if inside is None else 'altered inside'}: {file.name}"


def digest(value) -> str:
    """Equal for equal results."""
    import numpy as np

    found = hashlib.sha256()

    def add(part):
        if isinstance(part, np.ndarray):
            found.update(
                f"{part.dtype}{part.shape}".encode() + np.ascontiguousarray(part).tobytes()
            )
        elif isinstance(part, list | tuple):
            found.update(f"{len(part)}".encode())
            for inner in part:
                add(inner)
        else:
            found.update(repr(part).encode())

    add(value)
    return found.hexdigest()


def verdict(kind, folder, expected, whole):
    """(what became of a case: "right", "other", "refused" or a failure in words, details)

    Args:
        whole: whether the checksums in the file, if it has any, are those of what was written: then
            nothing else may be read of it, unless a warning says so.
    """
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found = digest(kind.read(folder))
    except (ValueError, OSError) as error:
        said = str(error)
        if isinstance(error, UnicodeError) or "\n" in said or not said or len(said) > 1500:
            return (
                (
                    f"an error of {len(said)} signs in {len(said.splitlines())} lines,"
                    f" {type(error).__name__}"
                ),
                said,
            )
        if "Unable to allocate" in said or "MemoryError" in said:
            return "too much memory", said
        return "refused", said
    except BaseException as error:
        return f"{type(error).__name__}", "".join(traceback.format_exception(error)[-4:])
    if found == expected:
        return "right", ""
    return ("silently wrong", "") if kind.checked and whole and not told else ("other", "")


def _worker(samples, pipe):
    """Takes (kind, number, seed), answers what became of it."""
    limits, expected = None, {}
    with open(samples.root / "errors.txt", "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    while True:
        name, number, seed = pipe.recv()
        kind = KINDS[name]
        if name not in expected:
            if limits:
                resource.setrlimit(
                    resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
                )
            expected[name] = None
            with tempfile.TemporaryDirectory() as folder:
                target = pathlib.Path(folder, "sound")
                shutil.copytree(samples.folder(name), target)
                expected[name] = digest(kind.read(target))
        pipe.send("ready")
        with tempfile.TemporaryDirectory() as folder:
            target = pathlib.Path(folder, "case")
            what = spoil(samples, name, number, seed, target)
            size = 4096 * int(pathlib.Path("/proc/self/statm").read_text().split()[0])
            limits = (size + BYTES, resource.RLIM_INFINITY)
            resource.setrlimit(resource.RLIMIT_AS, limits)
            pipe.send("begun")
            begun = time.monotonic()
            answer = verdict(kind, target, expected[name], what.startswith("damaged"))
            took = time.monotonic() - begun
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            pipe.send((*answer, what, took))


def worked(pid) -> float:
    """Seconds of processor time that a process has taken."""
    with contextlib.suppress(OSError):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


class Workers:
    """One process that reads, begun anew when it is lost."""

    def __init__(self, samples, seed):
        self.samples, self.seed, self._process = samples, seed, None

    def case(self, name, number):
        """(what became of it, details, what was done to the file, seconds)"""
        if self._process is None:
            self._pipe, theirs = multiprocessing.Pipe()
            self._process = multiprocessing.get_context("fork").Process(
                target=_worker, args=(self.samples, theirs), daemon=True
            )
            self._process.start()
            theirs.close()
        self._pipe.send((name, number, self.seed))
        try:
            for patience, state in ((_STARTING, "does not start"), (60.0, "is not spoilt")):
                if not self._pipe.poll(patience):
                    self.close()
                    return state, "", "", patience
                self._pipe.recv()
            if not self._answers():
                self.close()
                return "hang", "", "", SECONDS
            return self._pipe.recv()
        except EOFError:
            self._process.join(5)
            status = self._process.exitcode
            self.close()
            return f"crash (exit status {status})", "", "", 0.0

    def _answers(self):
        """Whether an answer comes within `SECONDS` of the process's own work: a busy machine gives
        it less than the clock's.
        """
        began, before = time.monotonic(), worked(self._process.pid)
        while not self._pipe.poll(0.2):
            if worked(self._process.pid) - before > SECONDS or time.monotonic() - began > _BLOCKED:
                return False
        return True

    def close(self):
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def command(samples, name, number, seed):
    """As `Workers.case`, by the command."""
    with tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder, "case")
        what = spoil(samples, name, number, seed, target)
        words = [word.format(target) for word in KINDS[name].command]
        begun = time.monotonic()
        with (
            open(pathlib.Path(folder, "said"), "w+") as said_to,
            open(pathlib.Path(folder, "shown"), "w+") as shown_to,
        ):
            code = "from nasnet_tf.cli.main import run; run()"
            process = subprocess.Popen(
                [sys.executable, "-c", code, *words],
                stdin=subprocess.DEVNULL,
                stdout=shown_to,
                stderr=said_to,
            )
            try:
                while (status := process.poll()) is None:
                    if worked(process.pid) > _STARTING or time.monotonic() - begun > 10 * _STARTING:
                        return "hang", "", what, time.monotonic() - begun
                    time.sleep(0.1)
            finally:
                process.kill()
                process.wait()
        said, shown = (
            pathlib.Path(folder, name).read_text(errors="replace") for name in ("said", "shown")
        )
    took = time.monotonic() - begun
    lines = [line for line in said.splitlines() if line.startswith("nasnet-tf: ")]
    if "Traceback" in said + shown or status not in (0, 2) or (status == 2) != (len(lines) == 1):
        return f"exit status {status}", said[-1500:], what, took
    return ("refused" if status == 2 else "other"), said[-300:], what, took


def plan(count, kinds):
    """(kind, number of the case) of so many cases, in proportion to the kinds' shares."""
    total = sum(KINDS[name].share for name in kinds)
    return [
        (name, number)
        for name in kinds
        for number in range(max(count * KINDS[name].share // total, 1))
    ]


def run(cases, commands, seed=0, kinds=None, report=lambda line: None):
    """Runs the cases. Returns ({kind: Counter of what became of its cases}, list of failures)."""
    kinds = list(kinds or KINDS)
    table, failures, slowest = defaultdict(Counter), [], Counter()
    with tempfile.TemporaryDirectory() as root:
        samples = Samples(root)
        process = multiprocessing.get_context("fork").Process(
            target=lambda: [samples.folder(name) for name in kinds]
        )
        process.start()
        process.join()
        workers = Workers(samples, seed)
        with contextlib.closing(workers):
            by_command = (
                [
                    (f"command: {name}", name, number)
                    for name, number in plan(commands, [n for n in kinds if KINDS[n].command])
                ]
                if commands
                else []
            )
            in_process = (
                [(name, name, number) for name, number in plan(cases, kinds)] if cases else []
            )
            for title, name, number in in_process + by_command:
                if not number:
                    report(title)
                args = (samples, name, number, seed)
                became, said, what, took = (
                    command(*args) if title != name else workers.case(name, number)
                )
                slowest[title] = max(slowest[title], took)
                passed = became in ("refused", "right", "other")
                table[title][became if passed else "FAILED"] += 1
                if not passed:
                    failures.append(
                        {"case": f"{title}:{number}", "became": became, "what": what, "said": said}
                    )
                    report(f"{title}:{number} {became} [{what}]\n    {said[-1200:]}")
    return table, failures, slowest


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--commands", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds")
    parser.add_argument("--only", help="one case, as a failure names it")
    parser.add_argument("--light", action="store_true", help="no kinds that build networks")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.only:
        name, number = given.only.rsplit(":", 1)
        with tempfile.TemporaryDirectory() as root:
            if name.startswith("command: "):
                print(
                    *command(
                        Samples(root), name.removeprefix("command: "), int(number), given.seed
                    ),
                    sep="\n",
                )
            else:
                print(*Workers(Samples(root), given.seed).case(name, int(number)), sep="\n")
        return
    kinds = (
        given.kinds.split(",")
        if given.kinds
        else [name for name in KINDS if not (given.light and KINDS[name].heavy)]
    )
    table, failures, slowest = run(
        given.cases, given.commands, given.seed, kinds, lambda line: print(line, flush=True)
    )
    if given.json:
        print(json.dumps({name: dict(counts) for name, counts in table.items()}))
    columns = ("refused", "right", "other", "FAILED")
    print(f"\n{'kind':45}" + "".join(f"{column:>9}" for column in columns) + f"{'slowest':>9}")
    for name, counts in table.items():
        print(
            f"{name:45}"
            + "".join(f"{counts[column]:9}" for column in columns)
            + f"{slowest[name]:8.1f}s"
        )
    print(
        f"{'all':45}"
        + "".join(f"{sum(counts[column] for counts in table.values()):9}" for column in columns)
    )
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
