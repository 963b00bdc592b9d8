"""The cards and recipes in zoo/ tell the truth about their builders."""

import json
import pathlib

import pytest

from nasnet_tf import zoo
from nasnet_tf.cost import cost
from nasnet_tf.genotype import GENOTYPES, Genotype
from nasnet_tf.training import RECIPES, Recipe
from nasnet_tf.zoo.models import variant_arguments

FOLDER = pathlib.Path(__file__).parents[2] / "zoo"
CARDS = [
    path for path in sorted(FOLDER.glob("*/card.json")) if json.loads(path.read_text())["builder"]
]


def by_folder(path):
    return path.parent.name


@pytest.mark.parametrize("path", CARDS, ids=by_folder)
def test_a_card_has_the_genotype_beside_it(path):
    card = json.loads(path.read_text())
    assert Genotype.load(path.parent / "genotype.json") == GENOTYPES[card["genotype"]]


@pytest.mark.parametrize("path", CARDS, ids=by_folder)
def test_a_card_counts_what_its_builder_would_build(path):
    card = json.loads(path.read_text())
    genotype, arguments = variant_arguments(card["name"])
    counted = cost(genotype, **arguments)
    assert (counted.trainable, counted.parameters, counted.multiply_adds) == (
        card["trainable_parameters"], card["parameters"], card["multiply_adds"],
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("path", CARDS, ids=by_folder)
def test_a_builder_builds_what_its_card_says(path):
    card = json.loads(path.read_text())
    network = getattr(zoo, card["builder"])(**card["arguments"])
    assert (network.name, network.count_params()) == (card["name"], card["parameters"])
    assert network.genotype == GENOTYPES[card["genotype"]]


@pytest.mark.parametrize("path", CARDS, ids=by_folder)
def test_the_recipe_beside_a_card_is_the_one_it_names(path):
    assert (
        Recipe.load(path.parent / "recipe.json") == RECIPES[json.loads(path.read_text())["recipe"]]
    )


@pytest.mark.parametrize("path", CARDS, ids=by_folder)
def test_a_readme_says_the_numbers_of_its_card(path):
    card, text = json.loads(path.read_text()), (path.parent / "README.md").read_text()
    for fact in (
        card["size"],
        f"{card['parameters']:,}",
        f"{card['trainable_parameters']:,}",
        f"{card['multiply_adds']:,}",
        card["paper"],
    ):
        assert fact in text


def test_every_model_has_a_card():
    assert (
        {json.loads(path.read_text())["name"] for path in CARDS}
        == {path.parent.name for path in CARDS}
        == set(zoo.list_models())
    )


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*/recipe.json")), ids=by_folder)
def test_every_recipe_is_one_that_comes_along(path):
    assert Recipe.load(path) in RECIPES.values()


def test_the_networks_whose_wiring_is_known_as_a_picture_only_are_not_built():
    for name in ("nasnet_b", "nasnet_c"):
        card = json.loads((FOLDER / name / "card.json").read_text())
        assert card["builder"] is None and not (FOLDER / name / "genotype.json").exists()
        assert name not in GENOTYPES and not any(
            model.startswith(name) for model in zoo.list_models()
        )
