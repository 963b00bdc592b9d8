"""`nasnet-tf compare`: strategies side by side, on trainings that somebody has done already."""

from __future__ import annotations

import concurrent.futures
import json
import math
import os
import pathlib
import threading
from typing import NamedTuple

import click

from nasnet_tf.cli import options, printing
from nasnet_tf.strategies import STRATEGIES, get

_BUDGET = 100
_TASKS_A_STRATEGY = 50  # so that the bar moves and no process idles at the end
_SHOWN = (
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


class Contestant(NamedTuple):
    """A strategy with settings, as it was named: "ppo" or "ppo:minibatch=5,clip=0.1"."""

    label: str
    name: str
    settings: dict

    def make(self, space, seed=0):
        """The strategy. Raises ValueError if it does not take these settings."""
        try:
            return get(self.name)(space, seed, **self.settings)
        except TypeError as error:
            raise ValueError(
                f"{self.label}: {self.name} does not take these settings ({error})."
            ) from None


def contestants(text: str) -> list[Contestant]:
    """What `--strategies` names: strategies with commas between, each with settings after a colon,
    commas between them too.
    """
    found: list[Contestant] = []
    for piece in text.split(","):
        head, colon, rest = piece.strip().partition(":")
        if (
            not colon and "=" in head and found and found[-1].settings
        ):  # a further setting of the strategy before
            last = found.pop()
            found.append(
                Contestant(f"{last.label},{head}", last.name, last.settings | _setting(head))
            )
        else:
            get(head)
            found.append(Contestant(piece.strip(), head, _setting(rest) if colon else {}))
    labels = [contestant.label for contestant in found]
    if doubled := [label for label in labels if labels.count(label) > 1]:
        raise ValueError(f"{doubled[0]} is given twice; name each once.")
    return found


def _setting(text):
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier() or not value:
        raise ValueError(f"{text!r} is no setting; give name=value, such as population=10.")
    for read in (int, float, {"true": True, "false": False}.__getitem__):
        try:
            return {name: read(value)}
        except (ValueError, KeyError):
            continue
    return {name: value}


@click.command()
@click.option(
    "--table",
    type=click.Path(path_type=pathlib.Path),
    help=(
        "CSV of trainings, .csv.gz, or a benchmark's own file.  [default: cells trained on the"
        " digits]"
    ),
)
@click.option(
    "--strategies",
    default=",".join(STRATEGIES),
    show_default=True,
    help="Such as ppo:minibatch=5,clip=0.1,random.",
)
@click.option(
    "--budget",
    type=options.POSITIVE,
    help=f"Trainings a search.  [default: {_BUDGET}, if no --seconds are given]",
)
@click.option(
    "--seconds", type=options.MINUTES, help="No training begins once those before it took so long."
)
@click.option(
    "--runs",
    type=options.POSITIVE,
    default=50,
    show_default=True,
    help="Searches a strategy, each with a seed of its own.",
)
@click.option(
    "--noise",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Standard deviation added to the signal.",
)
@click.option(
    "--through-oracle",
    is_flag=True,
    help="Let Keras Tuner carry the searches; tens of times slower.",
)
@click.option(
    "--workers",
    type=options.POSITIVE,
    default=os.cpu_count(),
    show_default="one a core",
    help="Processes.",
)
@click.option("--signal", help="Column with what a search is told.  [default: signal]")
@click.option("--test", help="Column with what is reported.  [default: test]")
@click.option("--cost", help="Column with the seconds of a training.  [default: cost]")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=pathlib.Path),
    help="Folder for report.html and curves.csv.",
)
@click.option("--overwrite", is_flag=True, help="Write into --out even if it is there.")
@options.seed
@options.as_json
def compare(
    table,
    strategies,
    budget,
    seconds,
    runs,
    noise,
    through_oracle,
    workers,
    signal,
    test,
    cost,
    out,
    overwrite,
    seed,
    as_json,
):
    """Run strategies on a table of trainings, many times over, and say what they find.

    The table has a column a decision, or one named genotype; and signal, test and cost. Higher is
    better. NAS-Bench-201's arch strings are known too, and the files of NAS-Bench-101
    (nasbench_only108.tfrecord) and of NATS-Bench (the folder NATS-tss-...-simple).
    """
    from nasnet_tf.cli.progress import bar, share_told
    from nasnet_tf.tables.comparison import curve, summary
    from nasnet_tf.tables.table import DIGITS, Table
    from nasnet_tf.tables.tabular import Trainings

    chosen = contestants(strategies)
    with bar() as progress:
        trainings = Table.read(
            DIGITS if table is None else table, signal, test, cost, share_told(progress, "reading")
        )
    budget = _BUDGET if budget is None and seconds is None else budget
    given = dict(budget=budget, seconds=seconds, noise=noise)
    Trainings(trainings, **given)  # raises before anything is begun
    for contestant in chosen:
        contestant.make(trainings.space)
    if out is not None:
        empty = out.is_dir() and not any(out.iterdir())
        options.new_folder(
            out, overwrite or empty, "add --overwrite to write into it, or give another --out."
        )
    with bar() as progress:
        histories = _histories(
            chosen,
            trainings,
            given,
            runs,
            seed,
            through_oracle,
            min(workers, runs * len(chosen)),
            progress,
        )
    results = {label: summary(found, trainings) for label, found in histories.items()}
    if out is not None:
        from nasnet_tf.report import write_comparison

        curves = {label: curve(found, trainings, seconds) for label, found in histories.items()}
        facts = _facts(trainings, given, runs, seed, through_oracle)
        axis = "trainings" if seconds is None else "seconds of training"
        shown = {label: {name: found[name] for name in _SHOWN} for label, found in results.items()}
        title = f"Searches of {trainings.name}"
        write_comparison(
            out,
            title=title,
            facts=facts,
            results=shown,
            curves=curves,
            best=trainings.best,
            axis=axis,
        )
    if as_json:
        printing.show(json.dumps(results))
    else:
        printing.show(*lines(results, trainings), *([f"see {out / 'report.html'}"] if out else []))


def _histories(chosen, table, given, runs, seed, through_oracle, workers, progress):
    """{label: the histories of its runs, in order}."""
    size = -(-runs // _TASKS_A_STRATEGY)
    tasks = [
        (contestant, range(start, min(start + size, runs)))
        for contestant in chosen
        for start in range(0, runs, size)
    ]
    bar = progress.add_task("searching", total=runs * len(chosen))
    found = {contestant.label: [None] * runs for contestant in chosen}

    def keep(contestant, numbers, histories):
        for number, history in zip(numbers, histories, strict=True):
            found[contestant.label][number] = history
        progress.advance(bar, len(numbers))

    if workers == 1:
        for task in tasks:
            keep(*task, _runs(table, given, seed, through_oracle, *task))
        return found
    _side_by_side(workers, (table, given, seed, through_oracle), tasks, keep)
    return found


def _side_by_side(workers, common, tasks, keep):
    """Runs the tasks in so many processes; as each ends, `keep` gets it and its histories."""
    from nasnet_tf.children.worker import ChildFailed, Worker

    crew, own = [], threading.local()

    def run(task):
        if not hasattr(own, "worker"):
            own.worker = Worker(threads=1, memory_limit_mb=math.inf)  # it is told the table once
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


def _runs(table, given, seed, through_oracle, contestant, numbers):
    """The histories of runs `numbers` of one strategy."""
    from nasnet_tf.tables.comparison import seed_of

    found = []
    for number in numbers:
        own = seed_of(seed, number)
        if through_oracle:
            options.start_keras()
            from nasnet_tf.tables.studied import simulate

            found.append(simulate(contestant.make, table, **given, seed=own, strategy_seed=own))
        else:
            from nasnet_tf.tables.tabular import simulate

            found.append(simulate(contestant.make(table.space, own), table, **given, seed=own))
    return found


def _facts(table, given, runs, seed, through_oracle):
    known = {
        "table": (
            f"{table.name}: {len(table):,} networks, {len(table.space.decisions)} decisions, best"
            f" test {table.best:g}"
        ),
        "searches": (
            f"{runs} a strategy, seed {seed}{', carried by Keras Tuner' if through_oracle else ''}"
        ),
        "trainings a search": given["budget"],
        "seconds a search": (
            given["seconds"] and f"{given['seconds']:g}; the training that runs past them counts"
        ),
        "noise": (
            given["noise"]
            and f"Gaussian, standard deviation {given['noise']:g}, drawn anew for each training"
        ),
        "curves": "means, within two standard errors each way",
    }
    return {label: text for label, text in known.items() if text}


def lines(results, table):
    """`results` for a person: a line a strategy, best first."""
    names = [name for name in _SHOWN if any(found[name] is not None for found in results.values())]
    ranked = sorted(results.items(), key=lambda item: -(item[1]["test_mean"] or float("-inf")))
    rows = [
        ("", *names),
        *((label, *(_shown(found[name]) for name in names)) for label, found in ranked),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield (
        f"{table.name}: {len(table):,} networks, best test {table.best:g};"
        f" {next(iter(results.values()))['runs']} runs a strategy"
    )
    for label, *values in rows:
        yield "  ".join(
            [
                label.ljust(widths[0]),
                *(value.rjust(width) for value, width in zip(values, widths[1:], strict=True)),
            ]
        ).rstrip()


def _shown(value):
    return "-" if value is None else f"{value:.0f}" if value >= 1000 else f"{value:.4g}"
