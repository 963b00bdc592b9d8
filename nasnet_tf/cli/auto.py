"""`nasnet-tf auto`: the best network for the data that the time allows."""

from __future__ import annotations

import click

from nasnet_tf.cli import options, printing
from nasnet_tf.cli.clock import command_began
from nasnet_tf.workflow.automating import AutoOptions, run_auto


@click.command()
@click.argument("data", metavar="DATA")
@options.of(AutoOptions)
@options.as_json
def auto(data, as_json, **given):
    """The best network for DATA that --minutes allow, with nothing to choose.

    Cells are tried, published ones first; the best is scaled up and trained, or a network that
    begins with the weights of --init where that is better. DATA is digits, an .npz with x_train and
    y_train, a folder of class folders, tfds:NAME or a text file. The test part is looked at once,
    at the end.
    """
    result = run_auto(AutoOptions(data=data, **given), printing.bar, command_began())
    printing.show_result(result.facts, [options.as_typed(result.summary)], as_json)
