"""`nasnet-tf predict`: the classes of pictures."""

from __future__ import annotations

import json

import click

from nasnet_tf.cli import options, printing
from nasnet_tf.workflow.predicting import PredictOptions, run_prediction


@click.command()
@click.argument("images", nargs=-1, required=True)
@click.option(
    "--model",
    required=True,
    help="A network saved as .keras, or one with ImageNet's classes: mobile or large.",
)
@options.of(PredictOptions)
@click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON object for each picture, one a line."
)
def predict(as_json, **given):
    """Name the most likely classes of each of IMAGES: picture files, or folders, of which all
    pictures are taken.
    """
    for path, best in run_prediction(PredictOptions(**given), printing.bar):
        if as_json:
            classes = [{"name": name, "probability": value} for name, value in best]
            printing.show(json.dumps({"image": path, "classes": classes}))
        elif given["out"] is None:
            printing.show(f"{path}\t" + "\t".join(f"{name} {value:.1%}" for name, value in best))
