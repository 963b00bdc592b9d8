"""What durability costs a search, and what it is worth: many trials of a trivial strategy, and a search that is killed again and again.

    python benchmarks/faults.py --trials 20000 --kills 200

Prints one JSON object: milliseconds a trial over all, in the first and in the last thousand, of which on the processor and waiting for the
disk; memory; seconds to reload; and, of the killed search, that no trial was lost or ended twice and that it proposed what the
uninterrupted one did. A trial does nothing but begin and end, so this is what the search itself takes.
"""

import argparse
import json
import os
import pathlib
import random
import resource
import subprocess
import sys
import tempfile
import time

import keras_tuner

from nasnet_tf.journal import TRIALS, read
from nasnet_tf.spaces import NASNetSpace
from nasnet_tf.tuners import StrategyOracle


def oracle(folder, trials, strategy="random"):
    space, hp = NASNetSpace(5), keras_tuner.HyperParameters()
    for name, options in space.decisions:
        hp.Choice(name, list(options))
    made = StrategyOracle(
        strategy, keras_tuner.Objective("score", "max"), trials, space=space, hyperparameters=hp, allow_new_entries=False, seed=0
    )
    made.verbose = 0
    made._set_project_dir(str(folder), "faults")
    return made


def run(search):
    """Seconds of each trial."""
    seconds = []
    while True:
        began = time.perf_counter()
        trial = search.create_trial("worker")
        if trial.status != "RUNNING":
            return seconds
        search.update_trial(trial.trial_id, {"score": sum(map(len, map(str, trial.hyperparameters.values.values()))) % 97 / 97})
        trial.status = "COMPLETED"
        search.end_trial(trial)
        seconds.append(time.perf_counter() - began)


def cost(trials):
    """What a trial takes, and what going on with so many takes."""
    with tempfile.TemporaryDirectory() as folder:
        before, processor = memory(), time.process_time()
        seconds = run(oracle(folder, trials))
        processor = time.process_time() - processor
        some, grown = min(1000, trials // 4), memory() - before
        again, began = oracle(folder, trials), time.perf_counter()
        again.reload()
        reload = time.perf_counter() - began
        size = sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*") if path.is_file())
        return {
            "trials": len(again.end_order), "ms": mean(seconds), "ms_first": mean(seconds[:some]), "ms_last": mean(seconds[-some:]),
            "ms_processor": 1000 * processor / trials, "last_by_first": mean(seconds[-some:]) / mean(seconds[:some]),
            "memory_mb": grown, "disk_mb": size / 1e6, "reload_s": reload,
        }  # fmt: skip


def killed(kills, strategy="aging-evolution"):
    """A search that is killed so many times, beside one that is not."""
    trials, draw = 20 * kills, random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--child", folder, "--trials", str(trials), "--strategy", strategy]
        done, log = 0, pathlib.Path(folder) / "faults" / TRIALS
        while done < kills:
            child = subprocess.Popen(command, stdout=subprocess.PIPE)
            child.stdout.readline()  # it has begun
            try:
                child.wait(timeout=draw.uniform(0, 0.1))
                break  # it has ended: more kills than trials
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                done += 1
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        run(oracle(pathlib.Path(folder) / "whole", trials, strategy))
        records, whole = read(log).records, read(pathlib.Path(folder) / "whole" / "faults" / TRIALS).records
        ends = [record["end"] for record in records if "end" in record]
        points, right = ([record["point"] for record in found if "begin" in record] for found in (records, whole))
    return {
        "kills": done, "of_trials": trials, "lost": trials - len(set(ends)), "ended_twice": len(ends) - len(set(ends)),
        "same_proposals": points == right,
    }  # fmt: skip


def mean(seconds):
    return 1000 * sum(seconds) / len(seconds)


def memory():
    """Most that was resident, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--strategy", default="aging-evolution", help="of the killed search")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        search = oracle(given.child, given.trials, given.strategy)
        print("began", flush=True)
        run(search)
    else:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        figures = cost(given.trials) if given.trials else {}
        print(json.dumps(figures | (killed(given.kills, given.strategy) if given.kills else {}), indent=1))
