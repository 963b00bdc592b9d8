"""`nasnet-tf evaluate`: how a saved network does on held-out images, or a held-out part of a
text.
"""

from __future__ import annotations

import click

from nasnet_tf.cli import options, printing
from nasnet_tf.workflow.evaluating import EvaluateOptions, run_evaluation
from nasnet_tf.workflow.wording import outcome

# classes of a table of confusions on a terminal; of more, the most frequent confusions are shown
_MOST_SHOWN = 12
_CONFUSIONS = 10


@click.command()
@click.argument("model")
@click.argument("data", metavar="DATA")
@options.of(EvaluateOptions)
@options.as_json
def evaluate(as_json, **given):
    """Accuracy of the network MODEL (a .keras file) on the test images of DATA, class by class;
    perplexity of a language model on a text.

    The classes of DATA are found among the network's by their names; DATA may have only some of
    them.
    """
    result = run_evaluation(EvaluateOptions(**given), printing.bar)
    by_class = _by_class(result) if "confusion" in result else []
    summary = f"{outcome(result, given['part'])}, loss {result['loss']:.4f}"
    printing.show_result(result, [summary, *by_class], as_json)


def _by_class(result):
    """The result class by class for a person, a line each."""
    yield f"balanced accuracy {result['balanced_accuracy']:.2%}"
    names = [printing.visible(each["name"]) for each in result["classes"]]
    width = max(map(len, names))
    for name, each in zip(names, result["classes"], strict=True):
        right = "no images"
        if each["accuracy"] is not None:
            right = f"{each['accuracy']:8.2%} of {each['images']}"
        yield f"  {name:{width}}  {right}"
    table = _confusions if len(names) <= _MOST_SHOWN else _most_frequent
    yield from table(names, result["confusion"])


def _confusions(names, counts):
    """The whole table of confusions."""
    yield "confusion, a row for each class, a column for what it was taken for, in the same order:"
    width, columns = max(map(len, names)), max(len(str(count)) for row in counts for count in row)
    for name, row in zip(names, counts, strict=True):
        yield f"  {name:{width}}  " + " ".join(f"{count:{columns}}" for count in row)


def _most_frequent(names, counts):
    """The most frequent confusions."""
    wrong = []
    for i, row in enumerate(counts):
        wrong += [(count, i, j) for j, count in enumerate(row) if count and i != j]
    for count, i, j in sorted(wrong, key=lambda each: -each[0])[:_CONFUSIONS]:
        yield f"  {names[i]} taken for {names[j]}: {count}"
