"""Damaged, swollen and senseless files of every kind: some hundred cases of benchmarks/fuzz.py,
which runs thousands.
"""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


def fuzz(*arguments):
    command = [sys.executable, str(ROOT / "benchmarks" / "fuzz.py"), "--json", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_no_file_hangs_swells_or_is_read_for_something_else():
    done = fuzz("--cases", 60, "--commands", 4, "--seed", 1)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    table = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    assert len(table) > 25 and not any("FAILED" in counts for counts in table.values())
