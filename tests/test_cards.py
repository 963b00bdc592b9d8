"""The cards in zoo/ tell the truth about their builders."""

import json
import pathlib

import pytest

from nasnet_tf.cost import cost
from nasnet_tf.genotype import GENOTYPES, Genotype

CARDS = sorted((pathlib.Path(__file__).parents[1] / "zoo").glob("*/card.json"))


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.parent.name)
def test_a_card_has_the_genotype_beside_it(path):
    card = json.loads(path.read_text())
    assert Genotype.load(path.parent / "genotype.json") == GENOTYPES[card["genotype"]]


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.parent.name)
def test_a_card_counts_what_its_builder_would_build(path):
    from nasnet_tf.zoo.nasnet import VARIANTS

    card = json.loads(path.read_text())
    counted = cost(GENOTYPES[card["genotype"]], **VARIANTS[card["arguments"]["variant"]])
    assert (counted.trainable, counted.parameters, counted.multiply_adds) == (
        card["trainable_parameters"], card["parameters"], card["multiply_adds"],
    )  # fmt: skip


def test_every_variant_has_a_card():
    from nasnet_tf.zoo.nasnet import VARIANTS

    assert {path.parent.name for path in CARDS} == {f"nasnet_a_{variant}" for variant in VARIANTS}
