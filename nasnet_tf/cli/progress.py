"""Bars on standard error."""

from __future__ import annotations

import contextlib
import threading
import time
from datetime import timedelta

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from nasnet_tf.cli import printing


class _Left(TimeRemainingColumn):
    """The time that is left: until `ends` where a task has a time at which it must be over, else by
    its speed so far.
    """

    def render(self, task):
        ends = task.fields.get("ends")
        if ends is None:
            return super().render(task)
        return Text(
            str(timedelta(seconds=round(max(ends - time.monotonic(), 0)))),
            style="progress.remaining",
        )


def bar() -> Progress:
    """A bar with the time that has passed and that is left; nothing but plain lines where standard
    error is no terminal.
    """
    columns = (
        "{task.description}",
        BarColumn(),
        "{task.percentage:>3.0f} %",
        TimeElapsedColumn(),
        "left",
        _Left(),
    )
    columns = (TextColumn(column) if isinstance(column, str) else column for column in columns)
    return Progress(
        *columns, console=printing.console(), transient=True, disable=printing.is_quiet()
    )


class Stages:
    """A command in stages. One bar shows them all against the time there is; where that has no end,
    each has a bar of its own.

    Args:
        progress: a `rich` progress that shows them.
        budget: a `nasnet_tf.cli.budget.Budget`.
    """

    def __init__(self, progress: Progress, budget):
        self.progress, self.budget, self.task = progress, budget, None
        self._over = threading.Event()
        if budget.is_limited:
            ends = budget.ends
            self.task = progress.add_task("", total=1.0, ends=ends)
            threading.Thread(target=self._tick, daemon=True).start()

    def _tick(self):
        while not self._over.wait(0.5):
            self.progress.update(
                self.task, completed=min(self.budget.share, 0.99)
            )  # it is not over before it is
            with contextlib.suppress(OSError):
                self.budget.note()

    def begin(self, description: str) -> None:
        """A stage begins; the one before has ended."""
        if self.budget.is_limited:
            self.progress.update(self.task, description=description)
            return
        if self.task is not None:
            self.progress.remove_task(self.task)
        self.task = self.progress.add_task(description, total=1.0)

    def share(self, share: float) -> None:
        """How much of this stage is done, 0 to 1."""
        if not self.budget.is_limited:
            self.progress.update(self.task, completed=share)

    def say(self, line: str) -> None:
        """Prints a line, or several, above the bar."""
        for each in line.splitlines():
            self.progress.console.print(each)

    def epoch(self, epoch: int, share: float, figures: dict) -> None:
        """An epoch of a training has ended: `on_epoch` of `nasnet_tf.training.train`."""
        self.share(share)
        name = "perplexity" if "perplexity" in figures else "accuracy"
        training = f"epoch {epoch:3}  loss {figures['loss']:.4f}  {name} {figures[name]:.4f}"
        self.say(f"{training}  validation {name} {figures[f'val_{name}']:.4f}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._over.set()


def share_told(progress: Progress, description):
    """A function that moves a bar to the share it is told, 0 to 1. The bar is there from the first
    call until the whole is done.
    """
    tasks = []

    def tell(share):
        if not tasks:
            tasks.append(progress.add_task(description, total=1.0))
        progress.update(tasks[0], completed=share, visible=share < 1)

    return tell
