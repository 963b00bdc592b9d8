"""`nasnet-tf search`: from a data set to a trained network of a genotype that was searched on
it.
"""

from __future__ import annotations

import click

from nasnet_tf.cli import options, printing
from nasnet_tf.cli.clock import command_began
from nasnet_tf.workflow.options import SearchOptions
from nasnet_tf.workflow.searching import run_search


@click.command()
@click.argument("data", metavar="DATA")
@options.of(SearchOptions)
@options.as_json
def search(data, as_json, **given):
    """Search a cell, or what else --space holds, on DATA; scale it up, train it.

    DATA is digits (real 8x8 digits that come along), an .npz with x_train and y_train, a folder of
    class folders, or tfds:NAME; with --space recurrent a text file. The test part is looked at
    once, at the end.
    """
    result = run_search(SearchOptions(data=data, **given), printing.bar, command_began())
    printing.show_result(result.facts, [options.as_typed(result.summary)], as_json)
