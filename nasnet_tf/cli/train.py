"""`nasnet-tf train`: a network trained from scratch, or fine-tuned, and saved."""

from __future__ import annotations

import click

from nasnet_tf.cli import options, printing
from nasnet_tf.cli.clock import command_began
from nasnet_tf.workflow.training import TrainOptions, run_training


@click.command()
@click.argument("model", required=False)
@click.option(
    "--data",
    required=True,
    help="digits, an .npz, a folder of class folders, or tfds:NAME; a text.",
)
@options.of(TrainOptions)
@options.as_json
def train(model, data, as_json, **given):
    """Train MODEL on --data and save it.

    MODEL is a model of the zoo (nasnet_a_mobile), a genotype (nasnet_a, or the path of a
    best.json), or left out with --init: then it is the network the weights are of. Logs and the
    state for --resume are kept beside --out, in a folder that ends in .training.
    """
    began = command_began()
    result = run_training(TrainOptions(model=model, data=data, **given), printing.bar, began)
    printing.show_result(result.facts, [options.as_typed(result.summary)], as_json)
