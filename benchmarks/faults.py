"""What durability costs a search, and what it is worth: many trials, many workers at once, a search
that is killed again and again.

    python benchmarks/faults.py [--trials 20000] [--askers 450] [--kills 200] [--workers 1]

Prints one JSON object. Of --trials: milliseconds a trial that does nothing but begin and end, over
all, in the first and in the last thousand; on the processor; memory; seconds to reload. Of
--askers: milliseconds that a request takes (to begin a trial or to end it) when so many threads ask
as fast as they are answered. Of --kills: a search whose children are looked up by worker processes;
at random moments the search itself or one of its workers is killed (SIGKILL) and, if it was the
search, begun again. No trial may be lost or ended twice, and with one worker the proposals must be
those of the search that nobody killed.
"""

import argparse
import json
import os
import pathlib
import random
import resource
import signal
import sys
import tempfile
import threading
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_tuner
import numpy as np

from nasnet_tf.journal import TRIALS, read
from nasnet_tf.spaces import NASNetSpace
from nasnet_tf.tuners import CellTuner, StrategyOracle

SPACE = NASNetSpace(5)


class Choices(keras_tuner.HyperModel):
    """The choices of the space; nothing is built."""

    def declare_hyperparameters(self, hp):
        for name, options in SPACE.decisions:
            hp.Choice(name, list(options))


def score(values):
    """What stands in the table for these values."""
    return sum(map(len, map(str, values.values()))) % 97 / 97


class Lookup(CellTuner):
    """Children are looked up, each in a worker process."""

    def _train(self, trial, *args, **kwargs):
        from faults import score  # not of __main__, which a worker does not have

        return {"score": self._run_child(trial, score, trial.hyperparameters.values)}, {}

    def _isolated(self, args, kwargs):
        return True


def oracle(folder, trials, strategy="random"):
    hp = keras_tuner.HyperParameters()
    Choices().declare_hyperparameters(hp)
    made = StrategyOracle(
        strategy,
        keras_tuner.Objective("score", "max"),
        trials,
        space=SPACE,
        hyperparameters=hp,
        allow_new_entries=False,
        seed=0,
    )
    made.verbose = 0
    made._set_project_dir(str(folder), "faults")
    return made


def run(search, name="worker"):
    """Seconds that each request took: to begin a trial, to end it."""
    seconds = []
    while True:
        began = time.perf_counter()
        trial = search.create_trial(name)
        if trial.status != "RUNNING":
            return seconds
        given = time.perf_counter()
        search.update_trial(trial.trial_id, {"score": score(trial.hyperparameters.values)})
        trial.status = "COMPLETED"
        done = time.perf_counter()
        search.end_trial(trial)
        seconds += [given - began, time.perf_counter() - done]


def cost(trials):
    """What a trial takes, and what going on with so many takes."""
    with tempfile.TemporaryDirectory() as folder:
        before, processor = memory(), time.process_time()
        seconds = np.add.reduceat(run(oracle(folder, trials)), range(0, 2 * trials, 2))
        processor = time.process_time() - processor
        some, grown = min(1000, trials // 4), memory() - before
        again, began = oracle(folder, trials), time.perf_counter()
        again.reload()
        reload = time.perf_counter() - began
        size = sum(
            path.stat().st_size for path in pathlib.Path(folder).rglob("*") if path.is_file()
        )
        return {
            "trials": len(again.end_order),
            "ms": 1000 * seconds.mean(),
            "ms_first": 1000 * seconds[:some].mean(),
            "ms_last": 1000 * seconds[-some:].mean(),
            "last_by_first": seconds[-some:].mean() / seconds[:some].mean(),
            "ms_processor": 1000 * processor / trials,
            "memory_mb": grown,
            "disk_mb": size / 1e6,
            "reload_s": reload,
        }


def asked(askers, each=4):
    """How long requests take when so many ask at once."""
    with tempfile.TemporaryDirectory() as folder:
        search, seconds = oracle(folder, askers * each), []
        go = threading.Barrier(askers)

        def ask(number):
            go.wait()
            seconds.extend(run(search, f"worker {number}"))

        threads = [
            threading.Thread(target=ask, args=(number,), name=f"asker {number}")
            for number in range(askers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ends = [
            record["end"]
            for record in read(pathlib.Path(folder) / "faults" / TRIALS).records
            if "end" in record
        ]
        assert sorted(map(int, ends)) == list(range(askers * each))
        middle, late, last = np.percentile(seconds, [50, 99, 100]) * 1000
        return {
            "askers": askers,
            "asked_trials": len(ends),
            "request_ms": middle,
            "request_ms_p99": late,
            "request_ms_last": last,
        }


def searching(folder, trials, strategy, workers):
    """A process that searches."""
    process = os.fork()
    if process:
        return process
    try:
        os.setpgid(0, 0)
        sys.stdout = open(os.devnull, "w")
        search = StrategyOracle(
            strategy, keras_tuner.Objective("score", "max"), trials, space=SPACE, seed=0
        )
        Lookup(
            search, Choices(), workers=workers, directory=str(folder), project_name="faults"
        ).search(verbose=0)
        os._exit(0)
    finally:
        os._exit(1)


def children(process):
    """Processes that a process has started."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(path.read_text().rpartition(")")[2].split()[1]) == process:
                found.append(int(path.parent.name))
        except (OSError, ValueError, IndexError):
            pass
    return found


def killed(kills, strategy, workers):
    """A search that is killed so many times, or its workers are, beside one that is not."""
    trials, draw, done = 10 * kills, random.Random(0), {"search": 0, "worker": 0}
    with tempfile.TemporaryDirectory() as folder:
        process, log, before = (
            searching(folder, trials, strategy, workers),
            pathlib.Path(folder) / "faults" / TRIALS,
            -1,
        )
        while True:
            time.sleep(draw.uniform(0.05, 1.0))
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                assert os.waitstatus_to_exitcode(status) == 0
                break
            if sum(done.values()) == kills:
                continue
            victims, after = children(process), sum("end" in record for record in read(log).records)
            if (
                victims and after > before and draw.random() < 0.8
            ):  # not the same trial four times: it would fail, as it should
                before = after
                os.kill(draw.choice(victims), signal.SIGKILL)
                done["worker"] += 1
            else:
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
                done["search"] += 1
                process = searching(folder, trials, strategy, workers)
        run(oracle(pathlib.Path(folder) / "whole", trials, strategy))
        records, whole = (
            read(pathlib.Path(path) / "faults" / TRIALS).records
            for path in (folder, f"{folder}/whole")
        )
        ends = [record for record in records if "end" in record]
        points, right = (
            [record["point"] for record in found if "begin" in record] for found in (records, whole)
        )
    return {
        "killed": done,
        "of_trials": trials,
        "never_reached": kills - sum(done.values()),
        "not_ended": trials - len({record["end"] for record in ends}),
        "ended_twice": len(ends) - len({record["end"] for record in ends}),
        "failed": sum(record["status"] != "COMPLETED" for record in ends),
        "runs_lost": sum("lost" in record for record in records),
        "same_proposals": points == right if workers == 1 else None,
    }


def memory():
    """Most that was resident, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=0)
    parser.add_argument("--askers", type=int, default=0)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="of the killed search")
    parser.add_argument("--strategy", default="aging-evolution", help="of the killed search")
    asks = parser.parse_args()
    figures = (
        killed(asks.kills, asks.strategy, asks.workers) if asks.kills else {}
    )  # first: it forks
    figures |= cost(asks.trials) if asks.trials else {}
    figures |= asked(asks.askers) if asks.askers else {}
    print(json.dumps(figures, indent=1))
