"""An HTML page about a search: facts, the best cell, the rewards, the best trials. It refers to no
other file.
"""

from __future__ import annotations

import base64
import html
import numbers
import os
from collections.abc import Mapping, Sequence
from functools import partial

from nasnet_tf.drawing.picture import render
from nasnet_tf.files import write_whole
from nasnet_tf.report.curves import rewards_of, search_figure
from nasnet_tf.report.pareto import pareto_figure
from nasnet_tf.systems.figures import figure_of

__all__ = ["write_page"]

BEST = 20
_BASELINE = "random baseline"
COLUMNS = ("trial", "reward", "status", "seconds")

STYLE = """
:root { color-scheme: light dark; --ink: #22262e; --muted: #646b78; --paper: #ffffff;
        --line: #dde0e5; --shade: #f4f5f7; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7ec; --muted: #9aa2b0; --paper: #15181d; --line: #333943; --shade: #1e2229; }
}
body { margin: 0 auto; max-width: 1240px; padding: 1.5rem 1.25rem 4rem; color: var(--ink);
       background: var(--paper);
       font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
figure { margin: 0; padding: .75rem; background: #ffffff;
         border: 1px solid var(--line); border-radius: 10px;
         overflow-x: auto; }
img { display: block; margin: 0 auto; max-width: 100%; height: auto; }
@media (max-width: 800px) { img { max-width: none; width: 800px; } }  /* scroll, not shrink */
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .9rem .3rem .3rem; border-bottom: 1px solid var(--line); text-align: left;
         vertical-align: top; }
td { overflow-wrap: break-word; max-width: 40rem; }
th { color: var(--muted); font-weight: 500; }
td.number, th.number { text-align: right; white-space: nowrap; }
tbody tr:hover { background: var(--shade); }
.muted { color: var(--muted); }
"""


def write_page(
    path: str | os.PathLike,
    *,
    title: str,
    facts: Mapping[str, object],
    genotype,
    trials: Sequence[Mapping],
    baseline: Sequence = (),
    notes: Sequence[str] = (),
    target: float | None = None,
    sections: Sequence[tuple[str, str]] = (),
) -> None:
    """Writes a page about a search.

    Args:
        facts: label -> text, shown as a table.
        genotype: the best genotype, of any kind; None if there is none yet.
        trials: in the order in which they ended; each has `trial`, `reward` (None if it failed),
            `status`, `seconds` and further columns. If they have `val_accuracy` and
            `multiply_adds`, the page shows accuracy against cost.
        baseline: the rewards of a random search, or its trials in the same form, which are then
            also in the table of the best trials.
        notes: paragraphs below the title.
        target: multiply-adds to mark, if there is a soft limit.
        sections: further ones before those of the search, (title, HTML).
    """
    rewards = _rewards(trials, "trials")
    reference = _rewards(
        [
            t if isinstance(t, Mapping) else {**dict.fromkeys(COLUMNS), "reward": t}
            for t in baseline
        ],
        "baseline",
    )
    parts = [heading(title), *(f"<p>{_escape(note)}</p>" for note in notes)]
    parts += [facts_table(facts)] if facts else []
    for heading_of, body in sections:
        parts += [f"<h2>{_escape(heading_of)}</h2>", body]
    parts.append("<h2>Cells</h2>")
    parts.append(
        embedded(partial(figure_of, genotype), "; ".join(genotype.lines()))
        if genotype
        else _muted("No cell yet.")
    )
    parts += [
        "<h2>Rewards</h2>",
        embedded(
            partial(search_figure, rewards, reference), "Reward of each trial and the best so far"
        ),
    ]
    if priced := _priced(trials):
        drawn = partial(pareto_figure, priced, _priced(baseline), target=target)
        parts += [
            "<h2>Accuracy and cost</h2>",
            embedded(drawn, "Validation accuracy of each trial against its multiply-adds"),
        ]
    named = [{"strategy": _BASELINE, **t} for t in baseline if isinstance(t, Mapping)]
    parts += ["<h2>Best trials</h2>", _trials_table(trials, named)]
    write_whole(path, document(title, "\n".join(parts)).encode("utf-8", "replace"))


def _rewards(trials: Sequence[Mapping], name: str) -> list[float | None]:
    for number, trial in enumerate(trials):
        if missing := [key for key in COLUMNS if key not in trial]:
            raise ValueError(
                f"{name}[{number}] lacks {', '.join(map(repr, missing))}; each trial needs"
                f" {', '.join(COLUMNS)}."
            )
    return rewards_of(trial["reward"] for trial in trials)


def _priced(trials: Sequence) -> list[Mapping]:
    return [
        trial
        for trial in trials
        if isinstance(trial, Mapping) and {"val_accuracy", "multiply_adds"} <= set(trial)
    ]


def heading(title: str) -> str:
    """The title on the page."""
    return f"<h1>{_escape(title)}</h1>"


def document(title: str, body: str) -> str:
    """The HTML of a page with this body, which is HTML."""
    head = (
        '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width,'
        f' initial-scale=1">\n<title>{_escape(title)}</title>'
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n'
        f"<head>\n{head}\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def embedded(make_figure, description: str) -> str:
    """The HTML of the matplotlib figure that `make_figure` returns."""
    # In a data URI, the names and styles of a picture are separate from those of the page.
    data = base64.b64encode(render(make_figure, "svg")).decode()
    return (
        f'<figure><img alt="{_escape(description)}"'
        f' src="data:image/svg+xml;base64,{data}"></figure>'
    )


def facts_table(facts: Mapping[str, object]) -> str:
    """The HTML of a table of labels and texts."""
    rows = "\n".join(
        f'<tr><th scope="row">{_escape(label)}</th><td>{_escape(text)}</td></tr>'
        for label, text in facts.items()
    )
    return f'<div class="wide"><table>\n{rows}\n</table></div>'


def _trials_table(trials: Sequence[Mapping], baseline: Sequence[Mapping]) -> str:
    every = [*trials, *baseline]
    rewards = rewards_of(trial["reward"] for trial in every)
    ranked = sorted(
        (i for i, reward in enumerate(rewards) if reward is not None), key=lambda i: -rewards[i]
    )
    best = [every[i] for i in ranked[:BEST]]
    of_baseline = f", {len(baseline)} of them of the {_BASELINE}" if baseline else ""
    count = f"{len(every)} trials ended{of_baseline}, {len(every) - len(ranked)} of them failed."
    if not best:
        return _muted(count)
    shown = f"{count} The best {len(best)}:" if len(best) < len(ranked) else count
    return f"{_muted(shown)}\n{rows_table(best, COLUMNS)}"


def rows_table(rows: Sequence[Mapping], first: Sequence[str] = ()) -> str:
    """The HTML of a table with a column for each key; the columns `first` come first."""
    columns = list(dict.fromkeys([*first, *(key for row in rows for key in row)]))
    numeric = {key for key in columns if all(_is_number(row.get(key)) for row in rows)}
    head = "".join(_cell("th", key, key in numeric) for key in columns)
    body = "\n".join(
        "<tr>" + "".join(_cell("td", row.get(key), key in numeric) for key in columns) + "</tr>"
        for row in rows
    )
    return (
        '<div class="wide"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _cell(tag: str, value, number: bool) -> str:
    kind = ' class="number"' if number else ""
    return f"<{tag}{kind}>{_escape(_shown(value))}</{tag}>"


def _shown(value) -> str:
    if value is None:
        return ""
    if not isinstance(value, numbers.Real) or isinstance(value, numbers.Integral):
        return str(value)
    size = abs(value)
    decimals = 4 if size < 10 else 2 if size < 1e3 else 1
    return f"{value:.{decimals}f}" if size == 0 or 1e-3 <= size < 1e9 else f"{value:.3g}"


def _is_number(value) -> bool:
    return value is None or isinstance(value, numbers.Real)


def _muted(text: str) -> str:
    return f'<p class="muted">{_escape(text)}</p>'


def _escape(value) -> str:
    return html.escape(str(value), quote=True)
