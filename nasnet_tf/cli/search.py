"""`nasnet-tf search`: from a data set to a trained network of a genotype that was searched on
it.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import json
import os
import pathlib
import threading
import time
from typing import NamedTuple

import click

from nasnet_tf.cli import options, prejudge, printing, texts
from nasnet_tf.cli.budget import command_began
from nasnet_tf.cli.pictures import Pictures
from nasnet_tf.cli.run import BASELINE, FINAL, Run
from nasnet_tf.contracts.fidelity import EPOCHS
from nasnet_tf.fingerprint import of_data
from nasnet_tf.strategies import STRATEGIES, rungs
from nasnet_tf.systems import SPACES, system_of

_SEARCHES = {"images": Pictures, "text": texts.Texts}  # by what the genotypes of a space read
_SEARCH_SHARE = 0.45  # of the time: the rest trains the network
_MINUTES, _CHILD_IMAGES = 10.0, 2000  # unless it is said
_GOES_ON = "an interrupted search goes on with --resume"
_FIRST_SHARE = 0.3  # of that rest: until then the search waits for its first trial
_SHARING_SHARE = (
    0.5  # of the search's time, with one-shot: the rest trains the best children by themselves
)


@click.command()
@click.argument("source", metavar="DATA")
@click.option(
    "--minutes",
    type=options.MINUTES,
    help="How long in all.  [default: 10, if no --max-trials is given]",
)
@click.option(
    "--max-trials",
    type=options.POSITIVE,
    help="How many cells to try; as many again at random, for comparison.",
)
@click.option(
    "--strategy",
    type=click.Choice([*STRATEGIES, "one-shot"]),
    default="auto",
    show_default=True,
    help="How to search; auto suits the space.",
)
@click.option(
    "--space",
    type=click.Choice(list(SPACES)),
    default="nasnet",
    show_default=True,
    help="What may be found.",
)
@click.option("--name", help="Of the folder the results go to.  [default: that of the data]")
@click.option(
    "--runs-dir",
    type=click.Path(file_okay=False, path_type=pathlib.Path),
    default="runs",
    show_default=True,
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with a search that was interrupted, or give it a larger budget.",
)
@click.option(
    "--retry-failed", is_flag=True, help="With --resume, run all trials again that failed."
)
@click.option(
    "--overwrite", is_flag=True, help="Delete what a search wrote to the folder and begin again."
)
@click.option(
    "--baseline/--no-baseline",
    default=True,
    show_default=True,
    help="Try random cells beside the search.",
)
@click.option(
    "--blocks",
    type=options.POSITIVE,
    help="B, blocks a cell.  [default: the paper's, where --space has blocks]",
)
@click.option(
    "--child-cells",
    type=options.POSITIVE,
    help="N of the networks a cell is judged by; of a text, layers.  [default: 1]",
)
@click.option(
    "--child-filters",
    type=options.POSITIVE,
    help="F of these networks; of a text, units.  [default: 8; 32]",
)
@click.option(
    "--child-epochs",
    type=options.POSITIVE,
    default=3,
    show_default=True,
    help="How long at most these networks are trained.",
)
@click.option(
    "--child-images",
    type=options.POSITIVE,
    help=(
        "On how many images, or windows of a text, at most.  [default: 2000; 200 a minute with"
        " --minutes below 10]"
    ),
)
@click.option(
    "--num-cells",
    type=options.POSITIVE,
    help="N of the network that is trained at the end.  [default: 2]",
)
@click.option(
    "--filters", type=options.POSITIVE, help="F of that network.  [default: 16; of a text 128]"
)
@click.option(
    "--epochs",
    type=options.POSITIVE,
    help="How long that network is trained.  [default: what is left of --minutes, else 30]",
)
@click.option(
    "--share-epochs",
    type=options.POSITIVE,
    default=30,
    show_default=True,
    help="one-shot: passes over the images with shared weights, or half of the search's time.",
)
@click.option("--child-batch-size", type=options.POSITIVE, help="[default: 64; of a text 50]")
@click.option(
    "--workers",
    type=options.POSITIVE,
    help="How many of them train side by side.  [default: one a core, the baseline's among them]",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where they are trained.",
)
@click.option("--address", help="Of the Ray cluster, such as auto.  [default: one is started here]")
@click.option(
    "--gpus-per-trial",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="With ray; may be less than 1.",
)
@prejudge.limits
@texts.of_text
@options.image_size
@options.skip_broken
@options.data_dir
@options.seed
@options.as_json
def search(source, name, runs_dir, resume, retry_failed, overwrite, as_json, data_dir, **config):
    """Search a cell, or what else --space holds, on DATA; scale it up, train it.

    DATA is digits (real 8x8 digits that come along), an .npz with x_train and y_train, a folder of
    class folders, or tfds:NAME; with --space recurrent a text file. The test part is looked at
    once, at the end.
    """
    began = command_began()
    without_budget = config["minutes"] is None and config["max_trials"] is None
    if without_budget:
        config["minutes"] = _MINUTES
    space = _space(config)
    _settle(config, space)
    if name is not None:
        options.folder_name(name, "--name")
    task = _SEARCHES[options.reads(space.decode(space.first))](
        source, config, data_dir, space
    )  # raises before anything is begun
    run = Run(
        runs_dir / (task.data.name if name is None else name),
        {"data": source, **config},
        resume,
        overwrite,
        shown=task.shown,
    )
    if retry_failed and not resume:
        raise ValueError("--retry-failed is for a search that goes on; add --resume.")
    if resume and without_budget:
        config.update(
            before := {
                **run.budget_before(),
                **({"epochs": config["epochs"]} if config["epochs"] else {}),
            }
        )
        run.config.update(before)
    config["child_images"] = run.config["child_images"] = run.config[
        "child_images"
    ] or _child_images(config["minutes"])
    if (result := run.nothing_left()) is not None and not retry_failed:
        said = (
            "nothing left to do, give more --minutes, --max-trials or --epochs;"
            f" {_outcome(run, result)}"
        )
        return printing.show(json.dumps(result) if as_json else said)
    run.claim(overwrite)
    budget, limit = run.budget(began, _SEARCH_SHARE)
    options.start_keras()
    from nasnet_tf.cli.progress import Stages, bar

    with bar() as progress, Stages(progress, budget) as stages:
        stages.say(task.data.describe())
        budget.has_begun()
        if (warning := budget.warning(_SEARCH_SHARE)) is not None:
            stages.say(
                f"{warning}; few cells will be tried, and the network may be one of those as it was"
                " trained."
            )
        found = _search(run, task, config, limit, stages, retry_failed)
        try:
            result = _deliver(run, task, config, found, stages)
        except KeyboardInterrupt:
            stages.say(_GOES_ON)
            raise
    printing.show(json.dumps(result) if as_json else _outcome(run, result))


def _child_images(minutes):
    """On how many images children are trained unless it is said: on fewer where there is little
    time, so that some are tried at all.
    """
    return (
        _CHILD_IMAGES
        if minutes is None
        else min(max(int(_CHILD_IMAGES * minutes / _MINUTES), 50), _CHILD_IMAGES)
    )


def _outcome(run, result):
    why = f"; {result['why']}" if "why" in result else ""
    return f"{run.path}: {options.outcome(result)}{why}; see {run.path / 'report.html'}"


_NO_TRIAL = {"trial": None, "strategy": None}


class _Found(NamedTuple):
    """What a search found: the genotype, the tuner (None where no trial ended) and the trial it is
    of, and the seconds that the pictures of it took.
    """

    genotype: object
    tuner: object
    best: dict
    drawing: float


def _space(config):
    """The space that was asked for. Raises ValueError if it has no blocks to count."""
    made = SPACES[config["space"]]
    if config["blocks"] is None:
        return made()
    if "num_blocks" not in inspect.signature(made).parameters:
        raise ValueError(f"the space {config['space']} has no blocks; leave --blocks out.")
    return made(num_blocks=config["blocks"])


def _settle(config, space):
    """Settles the strategy, which may go by the space. Raises ValueError if it cannot search
    that.
    """
    if config["strategy"] == "auto":
        config["strategy"] = system_of(space.decode(space.first)).strategy
    if config["strategy"] in STRATEGIES:
        STRATEGIES[config["strategy"]].check(space)


def _search(run, task, config, limit, stages, retry_failed=False):
    """Runs the search and the random baseline side by side until `limit`; returns what was
    `_Found`.
    """
    from nasnet_tf.cli.progress import share_told

    stages.begin("searching")
    child = task.child()
    labels = (
        [config["strategy"], BASELINE]
        if config["baseline"] and config["strategy"] != "random"
        else [config["strategy"]]
    )
    x, y, x_validation, y_validation = task.some()
    judges = {label: task.judges(x, scored=label != BASELINE) for label in labels}
    workers = _workers(config, len(labels))
    told = {"data": of_data(task.data), "retry_failed": retry_failed}
    made = {
        label: _tuner(label, child, run, config, limit, workers, judges[label], told)
        for label in labels
    }
    stages.budget.keep(run.clock)
    run.begin()
    if config["strategy"] == "one-shot":
        made["one-shot"].on_share = share_told(stages.progress, "sharing weights")
    follow = _Follow(run, made, child, task.size, config, limit, stages)
    job = dict(
        validation_data=(x_validation, y_validation),
        epochs=config["child_epochs"],
        batch_size=config["child_batch_size"],
        verbose=0,
    )

    searching, *others = made.values()
    failures = []
    threads = [
        threading.Thread(
            target=_beside, args=(failures, follow.say, other, x, y), kwargs=job, daemon=True
        )
        for other in others
    ]
    try:
        for thread in threads:
            thread.start()
        _until_stopped(searching.search, x, y, **job)
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
    except BaseException:
        for other in others:
            other.stop()
        for thread in threads:
            thread.join(timeout=10)
        with contextlib.suppress(
            OSError, ValueError
        ):  # where the log cannot be written, pictures cannot be either
            follow.done(_facts(task, config), was_interrupted=True)
        raise
    began = time.monotonic()
    found = follow.done(_facts(task, config))
    if found is None and run.rows:
        raise RuntimeError(f"no trial succeeded; the reasons are in {run.path / 'trials.csv'}.")
    drawing = time.monotonic() - began
    if found is None:
        follow.say(
            "no trial ended in time, so the network is of the first cell that was proposed; give"
            " more --minutes to search"
        )
        return _Found(_first_proposed(made, child, run), None, _NO_TRIAL, 2 * drawing)
    best = run.best()
    return _Found(found, made[best["strategy"]], best, drawing)


def _first_proposed(made, child, run):
    """The genotype that is trained where no trial has ended in time: the first that was
    proposed.
    """
    running = [trial for tuner in made.values() for trial in tuner.oracle.ongoing_trials.values()]
    if not running:
        raise RuntimeError(
            "no trial began in the time there was; go on with --resume and more --minutes:"
            f" {run.path}."
        )
    found = child.genotype(min(running, key=lambda trial: trial.trial_id).hyperparameters)
    found.save(run.path / "best.json")
    return found


def _until_stopped(function, *args, **kwargs):
    """Calls the function. A trial that was broken off because the time is up stays unfinished:
    --resume runs it again.
    """
    from nasnet_tf.children.worker import Stopped

    with contextlib.suppress(Stopped):
        function(*args, **kwargs)


def _beside(failures, say, tuner, *args, **kwargs):
    """The baseline's search in a thread. What it raises is left in `failures` for the main one,
    unless only its own trials failed.
    """
    try:
        _until_stopped(tuner.search, *args, **kwargs)
    except Exception as error:
        if tuner.oracle.gave_up is None:
            failures.append(error)
        else:
            say(
                f"the {BASELINE} is given up, since one trial after the other failed"
                f" ({str(error).splitlines()[-1]}); the search goes on"
            )


def _workers(config, searches):
    """(processes of each of so many searches side by side, threads of each process)."""
    from nasnet_tf.children.fitting import accelerated
    from nasnet_tf.children.ray_worker import Cluster

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if config["workers"] is not None:
        workers = max(config["workers"] // searches, 1)
    elif config["engine"] == "ray":
        return max(Cluster(config["address"]).processors // searches, 1), 1
    else:
        workers = 1 if accelerated() else max(cores // searches, 1)
    return workers, max(cores // (workers * searches), 1)


def _tuner(label, child, run, config, limit, workers, judges, told):
    from nasnet_tf.tuners import OneShotSearch, StrategySearch

    random = label == BASELINE
    make = functools.partial(
        StrategySearch, strategy="random" if random else label, settings=_settings(label, config)
    )
    if label == "one-shot":
        minutes = (
            None if limit is None else max(_SHARING_SHARE * (limit - time.monotonic()), 1.0) / 60
        )
        make = functools.partial(
            OneShotSearch, share_epochs=config["share_epochs"], share_minutes=minutes
        )
    with contextlib.redirect_stdout(io.StringIO()):  # Keras Tuner prints what it reloads
        tuner = make(
            child,
            child.objective,
            config["max_trials"],
            seed=config["seed"] + 10_000 * random,
            directory=str(run.path),
            project_name="baseline" if random else "search",
            isolation="process",
            workers=workers[0],
            threads=workers[1],
            retry_failed=told["retry_failed"],
            **{name: config[name] for name in ("engine", "address", "gpus_per_trial")},
            **judges,
        )
    tuner.oracle.data = tuner.data = told["data"]
    tuner.oracle.open()  # before anything is written: another process may be searching here
    if limit is not None:
        tuner.oracle.should_stop = lambda: (
            time.monotonic() > limit and (label != "one-shot" or tuner.oracle.end_order)
        )
    return tuner


def _settings(label, config):
    """Of the strategy: how long it may train its children, if that is for it to decide."""
    decides = label in STRATEGIES and STRATEGIES[label].fidelity
    return {"epochs": rungs(config["child_epochs"])} if decides else {}


class _Follow:
    """Says a line for each trial, moves the bar, keeps trials.csv, stops the children when their
    time is over.
    """

    def __init__(self, run, made, child, size, config, limit, stages):
        self.run, self.child, self.size, self.config, self.limit, self.stages = (
            run,
            child,
            size,
            config,
            limit,
            stages,
        )
        self.lock, self.made = threading.Lock(), made
        for label, tuner in made.items():
            for trial_id in tuner.oracle.end_order:
                self._record(label, tuner.oracle.trials[trial_id])
            run.save_table()
            tuner.oracle.on_end = lambda trial, label=label: self(label, trial)
        self.ticking = threading.Event()
        threading.Thread(target=self._tick, daemon=True).start()

    def __call__(self, label, trial):
        from nasnet_tf.tuners.oracle import reason

        with self.lock:
            again = (label, trial.trial_id) in self.run.rows
            row = self._record(label, trial)
            self.run.save_table() if again else self.run.add_to_table(row)
            best = self.run.best()
            outcome = (
                options.number(trial.score)
                if trial.status == "COMPLETED"
                else f"failed: {reason(trial)}"
            )
            seconds = f"  {row['seconds']:.0f} s" if row["seconds"] else ""
            record = "-" if best is None else options.number(best["reward"])
            self.stages.say(f"{label} {trial.trial_id}  {outcome}{seconds}  best {record}")

    def say(self, text):
        """Says a line above the bar."""
        self.stages.say(text)

    def _record(self, label, trial):
        from nasnet_tf.study import PARENT
        from nasnet_tf.tuners.oracle import reason

        epochs = trial.hyperparameters.values.get(EPOCHS)
        parent = trial.hyperparameters.values.get(PARENT)
        note = reason(trial) or (
            f"epochs: {epochs}" if epochs else f"child of {parent}" if parent else ""
        )
        self.run.record(label, trial, self.child.genotype(trial.hyperparameters), note, self.size)
        return self.run.rows[label, trial.trial_id]

    def _tick(self):
        wanted = (self.config["max_trials"] or 0) * len(self.made)
        while not self.ticking.wait(0.5):
            if wanted:
                self.stages.share(min(len(self.run.rows) / wanted, 1.0))
            if self.limit is not None and time.monotonic() > (
                self.limit if self.run.best() is not None else self._last_limit()
            ):
                for tuner in self.made.values():
                    tuner.stop()

    def _last_limit(self):
        """Until when the first trial may take: there must be time to deliver it."""
        return self.limit + _FIRST_SHARE * max(self.stages.budget.ends - self.limit, 0)

    def done(self, facts, was_interrupted=False):
        """Writes the page. Returns the best genotype, or None."""
        self.ticking.set()
        for label, tuner in self.made.items():
            if tuner.oracle.exhausted is not None:
                self.say(f"{label}: {tuner.oracle.exhausted}")
        hint = f"; {_GOES_ON}" if was_interrupted else ""
        self.say(f"{len(self.run.rows)} trials in {self.run.path}{hint}")
        return self.run.picture(facts)


def _facts(task, config):
    return {
        "data": task.data.describe(),
        "space": config["space"],
        "strategy": config["strategy"],
        "seed": str(config["seed"]),
        "children": _children(task, config),
        **task.facts,
    }


def _children(task, config):
    epochs = ", ".join(
        map(str, _settings(config["strategy"], config).get("epochs", (config["child_epochs"],)))
    )
    return (
        f"{_size(config, 'child_')}{epochs} epochs, at most {config['child_images']}"
        f" {task.examples}"
    )


def _size(config, of=""):
    """N and F of the networks of a search, if they have them."""
    cells, filters = config[f"{of}cells" if of else "num_cells"], config[f"{of}filters"]
    return "" if cells is None else f"N = {cells}, F = {filters}, "


def _deliver(run, task, config, found, stages):
    """Trains the network at the end, or takes the best child where that is better; returns how it
    does, as in result.json.
    """
    from nasnet_tf.cli.final import Final

    final = Final(
        found.genotype,
        lambda data: _best_child(found, config, data),
        task.whole(),
        task.recipe,
        config,
        run.path / FINAL,
        stages,
        found.drawing,
    )
    result = final.deliver(run.path / "model.keras")
    stages.begin("drawing")
    stages.budget.close()
    size = {"child_cells": result["num_cells"], "child_filters": result["filters"]}
    facts = {
        **task.tested(result),
        "network": f"{_size(size, 'child_')}{result['parameters']:,} parameters: model.keras",
        "why this network": result["why"],
    }
    run.picture({**facts, **_facts(task, config)})
    best = {
        "trials": len(run.rows),
        "best_trial": found.best["trial"],
        "best_strategy": found.best["strategy"],
        task.shown.figure: found.best.get(task.shown.figure),
    }
    result = {**result, **best, "seconds": round(stages.budget.spent, 1)}
    run.end(result)
    final.forget()
    return result


def _best_child(found, config, data):
    """The best child as it was trained, with how it does on the validation part of `data`; None if
    its weights are lost.
    """
    from nasnet_tf.cli.final import Size, judged

    if found.tuner is None:
        return None
    try:
        model = found.tuner.load_model(found.tuner.oracle.get_trial(found.best["trial"]))
    except (OSError, ValueError, KeyError):
        return None
    size = Size(config["child_cells"], config["child_filters"])
    return judged(model, f"trial {found.best['trial']} ({found.best['strategy']})", size, data)
