"""`nasnet-tf info`: what a genotype or a saved network is made of and costs."""

from __future__ import annotations

import json

import click

from nasnet_tf.cli import options, printing
from nasnet_tf.workflow import describing


@click.command()
@click.argument("what", required=False)
@options.of(describing.InfoOptions)
@options.as_json
def info(what, as_json, **given):
    """What WHAT is made of: a published genotype's name, a model of the zoo, a genotype JSON or a
    .keras file; or what there is.
    """
    facts = describing.info(what, **given)
    printing.show_result(facts, lines(facts), as_json)


def lines(facts):
    """`facts` for a person, a line each; a genotype in its own."""
    for name, value in facts.items():
        if name == "genotype":
            from nasnet_tf.contracts.genotype import from_json

            yield from from_json(json.dumps(value)).lines()
        elif isinstance(value, dict):
            yield f"{name}: " + ", ".join(f"{k} {v or 'not installed'}" for k, v in value.items())
        elif isinstance(value, list | tuple):
            yield f"{name}: " + ", ".join(map(str, value))
        else:
            number = f"{value:,}" if isinstance(value, int) else value
            yield f"{name.replace('_', ' ')}: {number}"
