"""Pictures of searches: the rewards in the order in which the trials ended, the best so far, and
the running mean.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence

from nasnet_tf.drawing.picture import one_line, picture_format, render
from nasnet_tf.drawing.style import INK, PALE
from nasnet_tf.files import write_whole

__all__ = ["best_so_far", "draw_search", "running_mean", "search_figure"]

SEARCH, BASELINE, FAILED = "#2b62b8", "#c8702a", "#8a909c"
Rewards = Sequence[float | None]


def draw_search(
    trials: Iterable[float | None],
    path: str | os.PathLike,
    baseline: Iterable[float | None] = (),
    title: str = "",
    ylabel: str = "validation accuracy",
) -> None:
    """Writes a picture of a search.

    Args:
        trials: the rewards, higher is better, in the order the trials ended; None (or NaN, or
            infinite) is a failed trial.
        path: ends in .png or .svg.
        baseline: the rewards of a random search, for comparison.
        title: a line above the picture, without mathematics, as is `ylabel`.
    """
    suffix = picture_format(path)
    trials, baseline = rewards_of(trials), rewards_of(baseline)
    write_whole(path, render(lambda: search_figure(trials, baseline, title, ylabel), suffix))


def rewards_of(trials: Iterable[float | None]) -> list[float | None]:
    """`trials` as floats, None for failed ones. Raises ValueError if one is no number."""
    rewards = []
    for number, reward in enumerate(trials):
        try:
            value = math.nan if reward is None else float(reward)
        except (TypeError, ValueError):
            raise ValueError(
                f"trial {number} has reward {reward!r:.80}; give a number, or None for a failed"
                " trial."
            ) from None
        rewards.append(value if math.isfinite(value) else None)
    return rewards


def best_so_far(rewards: Rewards) -> list[tuple[int, float]]:
    """(number of the trial from 1, its reward) of each trial that is better than all before it."""
    steps: list[tuple[int, float]] = []
    for number, reward in enumerate(rewards, 1):
        if reward is not None and (not steps or reward > steps[-1][1]):
            steps.append((number, reward))
    return steps


def running_mean(rewards: Rewards) -> list[tuple[int, float]]:
    """(number of the trial, mean of the rewards of the window that ends there) of each successful
    trial from the first complete window on. A window is a fifth of the successful trials, at least
    5.
    """
    good = [(number, reward) for number, reward in enumerate(rewards, 1) if reward is not None]
    window = _window(rewards)
    sums = [0.0]
    for _, reward in good:
        sums.append(sums[-1] + reward)
    return [
        (good[i - 1][0], (sums[i] - sums[i - window]) / window)
        for i in range(window, len(good) + 1)
    ]


def _window(rewards):
    return max(5, sum(reward is not None for reward in rewards) // 5)


def search_figure(
    trials: Rewards, baseline: Rewards = (), title: str = "", ylabel: str = "validation accuracy"
):
    """The search as a matplotlib Figure."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(9.0, 4.6), facecolor="white", layout="constrained")
    axes = figure.add_subplot(facecolor="white")
    end = max(len(trials), len(baseline))
    _draw_rewards(axes, baseline, end, "random baseline", BASELINE, zorder=2)
    _draw_rewards(axes, trials, end, "search", SEARCH, zorder=4)
    _draw_mean(axes, trials)
    _draw_failures(axes, trials, baseline)
    if not any(reward is not None for reward in (*trials, *baseline)):
        text = "no trial has ended yet" if not end else "no trial has succeeded yet"
        axes.text(
            0.5,
            0.5,
            text,
            transform=axes.transAxes,
            ha="center",
            va="center",
            color=FAILED,
            fontsize=12,
        )
        axes.set_yticks([])
    axes.set_xlim(0.5 - 0.01 * end, max(end, 1) + 0.5 + 0.01 * end)
    axes.margins(y=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.set_xlabel("trial, in the order they ended", color=INK)
    axes.set_ylabel(one_line(ylabel), color=INK, parse_math=False)
    axes.set_title(one_line(title), color=INK, fontsize=12, weight="bold", parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=PALE, lw=0.5, alpha=0.6)
    axes.set_axisbelow(True)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(
            loc="outside lower center",
            ncols=3,
            frameon=False,
            fontsize=8.5,
            markerscale=(26 / _dot(end)) ** 0.5,
        )
    return figure


def _draw_rewards(axes, rewards: Rewards, end: int, name: str, colour: str, zorder: int) -> None:
    good = [(number, reward) for number, reward in enumerate(rewards, 1) if reward is not None]
    if not good:
        return
    axes.scatter(
        *zip(*good, strict=True),
        s=_dot(end),
        color=colour,
        alpha=0.4,
        lw=0,
        zorder=zorder,
        label=f"{name}: each trial",
    )
    steps = best_so_far(rewards)
    number, best = steps[-1]
    xs, ys = zip(*steps, (end, best), strict=True)
    label = f"{name}: best so far, {best:.4g} after {number}"
    axes.step(xs, ys, where="post", color=colour, lw=1.8, zorder=zorder + 1, label=label)


def _dot(trials: int) -> float:
    """Area of a dot: smaller if there are many."""
    return min(max(3000 / max(trials, 1), 5), 26)


def _draw_mean(axes, rewards: Rewards) -> None:
    mean = running_mean(rewards)
    if len(mean) > 1:
        axes.plot(
            *zip(*mean, strict=True),
            color=INK,
            lw=1.3,
            ls=(0, (4, 2)),
            zorder=6,
            label=f"search: mean of the last {_window(rewards)}",
        )


def _draw_failures(axes, trials: Rewards, baseline: Rewards) -> None:
    failed = [
        number
        for rewards in (trials, baseline)
        for number, reward in enumerate(rewards, 1)
        if reward is None
    ]
    if failed:
        # at the bottom of the axes, whatever the rewards
        place = {"transform": axes.get_xaxis_transform(), "clip_on": False}
        axes.scatter(
            failed,
            [0.02] * len(failed),
            marker="x",
            s=_dot(len(trials)),
            lw=1.1,
            color=FAILED,
            zorder=3,
            label=f"failed ({len(failed)})",
            **place,
        )
