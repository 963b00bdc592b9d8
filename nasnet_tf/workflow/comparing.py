"""`compare`: strategies side by side, on trainings that somebody has done already."""

from __future__ import annotations

import concurrent.futures
import math
import os
import threading
from dataclasses import dataclass

from nasnet_tf.signatures import passes_on
from nasnet_tf.strategies import STRATEGIES
from nasnet_tf.workflow.contestants import contestants
from nasnet_tf.workflow.options import MINUTES, SEED
from nasnet_tf.workflow.paths import new_folder
from nasnet_tf.workflow.values import COUNT, FLAG, FOLDER, PATH, Options, Range, option

__all__ = ["CompareOptions", "SHOWN", "compare", "run_comparison"]

_TRAININGS = 100
_TASKS_A_STRATEGY = 50  # so that the bar moves and no process idles at the end
SHOWN = (  # of each strategy, in tables
    "test_mean",
    "test_sem",
    "test_std",
    "signal_mean",
    "regret_mean",
    "best_found",
    "trainings",
    "cost",
    "failed_runs",
)


@dataclass(frozen=True, kw_only=True)
class CompareOptions(Options):
    """What a comparison of strategies is asked."""

    table: str | None = option(
        PATH,
        "CSV of trainings, .csv.gz, or a benchmark's own file.  [default: cells trained on"
        " the digits]",
    )
    strategies: str = option(str, "Such as ppo:minibatch=5,clip=0.1,random.", ",".join(STRATEGIES))
    budget: int | None = option(
        COUNT, f"Trainings a search.  [default: {_TRAININGS}, if no `seconds` are given]"
    )
    seconds: float | None = option(MINUTES, "No training begins once those before it took so long.")
    runs: int = option(COUNT, "Searches a strategy, each with a seed of its own.", 50)
    noise: float = option(Range(float, 0), "Standard deviation added to the signal.", 0.0)
    through_oracle: bool = option(
        FLAG, "Search by studies, log and all, as the other commands do; slower.", False
    )
    workers: int | None = option(COUNT, "Processes.  [default: one a core]")
    signal: str | None = option(str, "Column with what a search observes.  [default: signal]")
    test: str | None = option(str, "Column with what is reported.  [default: test]")
    cost: str | None = option(str, "Column with the seconds of a training.  [default: cost]")
    out: str | None = option(FOLDER, "Folder for report.html and curves.csv.")
    overwrite: bool = option(FLAG, "Write into `out` even if it is there.", False)
    seed: int = option(SEED, "Of everything random.", 0)


@passes_on(CompareOptions)
def compare(*, verbose: int = 1, progress=None, **options) -> dict:
    """Runs strategies on a table of trainings, many times over.

    The table has a column a decision, or one named genotype; and signal, test and cost. Higher is
    better. NAS-Bench-201's arch strings are known too, and the files of NAS-Bench-101
    (nasbench_only108.tfrecord) and of NATS-Bench (the folder NATS-tss-...-simple).

    Args:
        verbose, progress: as of `search`.
        **options: see `nasnet_tf.workflow.CompareOptions`; `nasnet-tf compare --help` lists them.
    Returns: {strategy: what it found: "test_mean", "test_sem", "regret_mean", ...}.
    """
    from nasnet_tf.workflow.progress import progress_of

    return run_comparison(CompareOptions(**options), progress_of(verbose, progress))[0]


def run_comparison(options: CompareOptions, make_stages):
    """(what each strategy found, the table).
    Arguments as `nasnet_tf.workflow.searching.run_search`.
    """
    from nasnet_tf.tables.comparison import summary
    from nasnet_tf.tables.table import DIGITS, Table
    from nasnet_tf.tables.tabular import Trainings

    chosen = contestants(options.strategies)
    columns, source = (options.signal, options.test, options.cost), options.table or DIGITS
    with make_stages(None) as stages:
        table = Table.read(source, *columns, stages.counter("reading"))
    if options.seconds is None:
        options = options.filled(budget=_TRAININGS)
    limits = {name: getattr(options, name) for name in ("budget", "seconds", "noise")}
    Trainings(table, **limits)  # raises before anything is begun
    for contestant in chosen:
        contestant.make(table.space)
    if options.out is not None:
        _claim(options.out, options.overwrite)
    with make_stages(None) as stages:
        common = table, limits, options.seed, options.through_oracle
        histories = _histories(chosen, common, options, stages.counter("searching"))
    results = {label: summary(found, table) for label, found in histories.items()}
    if options.out is not None:
        _write(table, options, limits, histories, results)
    return results, table


def _claim(folder, overwrite):
    empty = folder.is_dir() and not any(folder.iterdir())
    hint = "add `overwrite=True` to write into it, or give another `out`."
    new_folder(folder, overwrite or empty, hint)


def _histories(chosen, common, options, tell):
    """{label: the histories of its runs, in order}."""
    runs = options.runs
    size = -(-runs // _TASKS_A_STRATEGY)
    tasks = []
    for contestant in chosen:
        for start in range(0, runs, size):
            tasks.append((contestant, range(start, min(start + size, runs))))
    found = {contestant.label: [None] * runs for contestant in chosen}
    total, done = runs * len(chosen), 0

    def keep(contestant, numbers, histories):
        nonlocal done
        for number, history in zip(numbers, histories, strict=True):
            found[contestant.label][number] = history
        done += len(numbers)
        tell(done / total)

    workers = min(options.workers or os.cpu_count(), total)
    if workers == 1:
        for task in tasks:
            keep(*task, _runs(*common, *task))
    else:
        _side_by_side(workers, common, tasks, keep)
    return found


def _side_by_side(workers, common, tasks, keep):
    """Runs the tasks in so many processes; as each ends, `keep` gets it and its histories."""
    from nasnet_tf.children.worker import ChildFailed, Worker

    crew, own = [], threading.local()

    def run(task):
        if not hasattr(own, "worker"):
            own.worker = Worker(threads=1, memory_limit_mb=math.inf)  # it gets the table once
            crew.append(own.worker)
            own.worker.run(_begin, *common)
        return own.worker.run(_runs_of_a_process, *task)

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        try:
            waiting = {pool.submit(run, task): task for task in tasks}
            for done in concurrent.futures.as_completed(waiting):
                keep(*waiting[done], done.result())
        except ChildFailed as error:
            kind, _, text = str(error).partition(": ")
            raise ValueError(text) if kind == "ValueError" else RuntimeError(str(error)) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in crew:
                worker.stop()


_common = ()


def _begin(*common):
    global _common
    _common = common


def _runs_of_a_process(*task):
    return _runs(*_common, *task)


def _runs(table, limits, seed, through_oracle, contestant, numbers):
    """The histories of runs `numbers` of one strategy."""
    from nasnet_tf.tables.comparison import seed_of

    run = _run_through_study if through_oracle else _run
    return [run(table, limits, contestant, seed_of(seed, number)) for number in numbers]


def _run(table, limits, contestant, seed):
    from nasnet_tf.tables.tabular import simulate

    return simulate(contestant.make(table.space, seed), table, **limits, seed=seed)


def _run_through_study(table, limits, contestant, seed):
    from nasnet_tf.tables.studied import simulate

    return simulate(contestant.make, table, **limits, seed=seed, strategy_seed=seed)


def _write(table, options, limits, histories, results):
    """Writes the page and the curves."""
    from nasnet_tf.report import write_comparison
    from nasnet_tf.tables.comparison import curve

    seconds = options.seconds
    write_comparison(
        options.out,
        title=f"Searches of {table.name}",
        facts=_facts(table, options, limits),
        results={label: {name: found[name] for name in SHOWN} for label, found in results.items()},
        curves={label: curve(found, table, seconds) for label, found in histories.items()},
        best=table.best,
        axis="trainings" if seconds is None else "seconds of training",
    )


def _facts(table, options, limits):
    carried = ", carried by a study" if options.through_oracle else ""
    seconds, noise = limits["seconds"], limits["noise"]
    known = {
        "table": (
            f"{table.name}: {len(table):,} networks, {len(table.space.decisions)} decisions, best"
            f" test {table.best:g}"
        ),
        "searches": f"{options.runs} a strategy, seed {options.seed}{carried}",
        "trainings a search": limits["budget"],
        "seconds a search": seconds and f"{seconds:g}; the training that runs past them counts",
        "noise": (
            noise and f"Gaussian, standard deviation {noise:g}, drawn anew for each training"
        ),
        "curves": "means, within two standard errors each way",
    }
    return {label: text for label, text in known.items() if text}
