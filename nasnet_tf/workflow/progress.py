"""What work that takes long reports while it runs, and a bar on standard error that shows it."""

from __future__ import annotations

import contextlib
import threading
import time
from datetime import timedelta

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from nasnet_tf.workflow import console
from nasnet_tf.workflow.budget import Budget

__all__ = ["Bar", "Stages", "progress_of"]


class Stages:
    """Takes reports of work in stages, and shows nothing: the base of those that do.

    Args:
        budget: the `Budget` of the work, of which is noted how much is spent; None is without end.
    """

    def __init__(self, budget: Budget | None = None):
        self.budget = budget or Budget(None, time.monotonic())
        self._over = threading.Event()

    def begin(self, description: str) -> None:
        """A stage begins; the one before has ended."""

    def planned(self, search_ends: float, epoch: float | None, tested: float) -> None:
        """The first cells are timed.

        Args:
            search_ends: seconds from the start until the search will end.
            epoch: seconds that one of the network at the end takes; None if that is not known.
            tested: seconds that its test takes.
        """

    def share(self, share: float) -> None:
        """How much of this stage is done, 0 to 1."""

    def say(self, text: str) -> None:
        """A line of text, or several."""

    def tick(self) -> None:
        """Called twice a second where the time is limited."""

    def counter(self, description: str):
        """A function that is called with the share of some work that is done, 0 to 1."""
        return lambda share: None

    def epoch(self, epoch: int, share: float, metrics: dict) -> None:
        """An epoch of a training has ended: `on_epoch` of `nasnet_tf.training.train`."""
        self.share(share)
        name = "perplexity" if "perplexity" in metrics else "accuracy"
        training = f"epoch {epoch:3}  loss {metrics['loss']:.4f}  {name} {metrics[name]:.4f}"
        speed = metrics["examples_per_second"]
        speed = f"{speed:.0f}" if speed >= 10 else f"{speed:.1f}"
        validation = f"validation {name} {metrics[f'val_{name}']:.4f}"
        self.say(f"{training}  {validation}  {speed} examples/s")

    def __enter__(self):
        if self.budget.is_limited:
            threading.Thread(target=self._tick, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._over.set()

    def _tick(self):
        while not self._over.wait(0.5):
            self.tick()
            with contextlib.suppress(OSError):
                self.budget.note()


class _Left(TimeRemainingColumn):
    """The time that is left: until `ends` where a task has a time at which it must be over, else by
    its speed so far.
    """

    def render(self, task):
        ends = task.fields.get("ends")
        if ends is None:
            return super().render(task)
        left = timedelta(seconds=round(max(ends - time.monotonic(), 0)))
        return Text(str(left), style="progress.remaining")


class Bar(Stages):
    """One bar for all stages against the time there is; where that has no end, each has a bar of
    its own. Nothing but plain lines where standard error is no terminal.

    Args:
        shown: a function from a text to the text that is printed.
        quiet: print nothing.
    """

    def __init__(self, budget: Budget | None = None, shown=console.visible, quiet=False):
        super().__init__(budget)
        here = console.console(shown, quiet)
        self.progress = Progress(*_columns(), console=here, transient=True, disable=quiet)
        self.task = None

    def begin(self, description):
        if self.budget.is_limited:
            self.progress.update(self.task, description=description)
            return
        if self.task is not None:
            self.progress.remove_task(self.task)
        self.task = self.progress.add_task(description, total=1.0)

    def share(self, share):
        if not self.budget.is_limited:
            self.progress.update(self.task, completed=share)

    def say(self, text):
        for line in text.splitlines():
            self.progress.console.print(line)

    def tick(self):
        # it is not over before it is
        self.progress.update(self.task, completed=min(self.budget.share, 0.99))

    def counter(self, description):
        tasks = []  # there is a bar from the first call until the whole is done

        def tell(share):
            if not tasks:
                tasks.append(self.progress.add_task(description, total=1.0))
            self.progress.update(tasks[0], completed=share, visible=share < 1)

        return tell

    def __enter__(self):
        self.progress.start()
        if self.budget.is_limited:
            self.task = self.progress.add_task("", total=1.0, ends=self.budget.ends)
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self.progress.stop()


def _columns():
    done = TextColumn("{task.percentage:>3.0f} %")
    left = TextColumn("left"), _Left()
    return TextColumn("{task.description}"), BarColumn(), done, TimeElapsedColumn(), *left


def progress_of(verbose, progress=None):
    """What makes the `Stages` of a budget.

    Args:
        verbose: 0 shows nothing, 1 a bar and lines on standard error.
        progress: a subclass of `Stages`, or what makes one of a `Budget`, in place of these.
    """
    return progress or (Bar if verbose else Stages)
