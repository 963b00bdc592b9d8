"""`nasnet-tf compare`: strategies side by side, on trainings that somebody has done already."""

from __future__ import annotations

import click

from nasnet_tf.cli import options, printing
from nasnet_tf.workflow.comparing import SHOWN, CompareOptions, run_comparison


@click.command()
@options.of(CompareOptions)
@options.as_json
def compare(as_json, **given):
    """Run strategies on a table of trainings, many times over, and say what they find.

    The table has a column a decision, or one named genotype; and signal, test and cost. Higher is
    better. NAS-Bench-201's arch strings are known too, and the files of NAS-Bench-101
    (nasbench_only108.tfrecord) and of NATS-Bench (the folder NATS-tss-...-simple).
    """
    asked = CompareOptions(**given)
    results, table = run_comparison(asked, printing.bar)
    page = [f"see {asked.out / 'report.html'}"] if asked.out else []
    printing.show_result(results, [*lines(results, table), *page], as_json)


def lines(results, table):
    """`results` for a person: a line a strategy, best first."""
    names = [name for name in SHOWN if any(found[name] is not None for found in results.values())]
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
