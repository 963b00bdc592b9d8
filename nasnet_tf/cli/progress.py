"""Bars on standard error."""

from __future__ import annotations

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from nasnet_tf.cli import printing


def bar() -> Progress:
    """A bar with the time that has passed and that is left; nothing but plain lines where standard error is no terminal."""
    columns = ("{task.description}", BarColumn(), "{task.percentage:>3.0f} %", TimeElapsedColumn(), "left", TimeRemainingColumn())
    columns = (TextColumn(column) if isinstance(column, str) else column for column in columns)
    return Progress(*columns, console=printing.console(), transient=True, disable=printing.is_quiet())


def epochs_on(progress: Progress, description="training"):
    """`on_epoch` and `on_share` for `nasnet_tf.training.train`: one prints a line, both move a bar."""
    task = progress.add_task(description, total=1.0)

    def on_share(share):
        progress.update(task, completed=share)

    def on_epoch(epoch, share, figures):
        on_share(share)
        name = "perplexity" if "perplexity" in figures else "accuracy"
        training = f"epoch {epoch:3}  loss {figures['loss']:.4f}  {name} {figures[name]:.4f}"
        progress.console.print(f"{training}  validation {name} {figures[f'val_{name}']:.4f}")

    return on_epoch, on_share


def share_told(progress: Progress, description):
    """A function that moves a bar to the share it is told, 0 to 1. The bar is there from the first call until the whole is done."""
    tasks = []

    def tell(share):
        if not tasks:
            tasks.append(progress.add_task(description, total=1.0))
        progress.update(tasks[0], completed=share, visible=share < 1)

    return tell
