"""An argument that is not taken is an error that names the nearest one, everywhere; signatures say
what there is.
"""

import inspect

import pytest

from nasnet_tf.cost import cost, cost_of
from nasnet_tf.genotype import NASNET_A
from nasnet_tf.network import Network
from nasnet_tf.signatures import checked, passes_on
from nasnet_tf.spaces import SPACES, get
from nasnet_tf.systems import SYSTEMS, networks
from nasnet_tf.tuners import CellHyperModel, LanguageHyperModel
from nasnet_tf.zoo import (
    AmoebaNetA,
    NASNetA,
    PNASNet5,
    adapt,
    create_model,
    from_keras_applications,
    load_weights,
)


def one_of_each_kind():
    """A genotype of every kind that there is a space of."""
    found = {}
    for name in SPACES:
        space = get(name)()
        genotype = space.decode(space.first)
        found.setdefault(genotype.schema, genotype)
    return found.values()


CALLS = {
    "Network": lambda **wrong: Network("nasnet_a", **wrong),
    "NASNetA": lambda **wrong: NASNetA("cifar", **wrong),
    "PNASNet5": lambda **wrong: PNASNet5("cifar", **wrong),
    "AmoebaNetA": lambda **wrong: AmoebaNetA(**wrong),
    "create_model": lambda **wrong: create_model("nasnet_a_mobile", **wrong),
    "cost": lambda **wrong: cost(NASNET_A, **wrong),
    "cost_of": lambda **wrong: cost_of(NASNET_A, **wrong),
    "build": lambda **wrong: networks.build(NASNET_A, **wrong),
    "CellHyperModel": lambda **wrong: CellHyperModel((8, 8, 3), 2, **wrong),
    "LanguageHyperModel": lambda **wrong: LanguageHyperModel(5, 7, **wrong),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_misspelt_argument_is_answered_with_the_nearest(name):
    with pytest.raises(
        TypeError,
        match=(
            "takes no argument 'filter', did you mean 'filters'[?] No 'num_cell', did you mean"
            " 'num_cells'[?]"
        ),
    ):
        CALLS[name](filter=8, num_cell=2)


@pytest.mark.parametrize("wrong", [0, None, False, ""])
def test_a_misspelt_argument_that_asks_for_nothing_is_refused_too(wrong):
    for call in (CALLS["build"], CALLS["cost_of"], CALLS["NASNetA"]):
        with pytest.raises(TypeError, match="'stam', did you mean 'stem'"):
            call(stam=wrong)


@pytest.mark.parametrize("genotype", one_of_each_kind(), ids=lambda genotype: genotype.schema)
def test_no_kind_of_network_and_no_cost_drops_an_argument(genotype):
    for call in (networks.build, cost_of):
        with pytest.raises(
            TypeError,
            match=f"of {genotype.schema} takes no argument 'clases', did you mean 'classes'",
        ):
            call(genotype, clases=3)


def test_what_another_kind_takes_is_refused_if_it_asks_for_something():
    kind = next(
        genotype for genotype in one_of_each_kind() if genotype.schema == "nasnet_tf.nas_bench_201"
    )
    assert cost_of(kind, stem=None) == cost_of(kind)
    with pytest.raises(
        ValueError,
        match="stem is 'imagenet', but a cost of nasnet_tf.nas_bench_201 has no stem; leave it out",
    ):
        cost_of(kind, stem="imagenet")


def test_a_size_is_left_out_of_a_kind_that_has_its_own():
    dna = next(genotype for genotype in one_of_each_kind() if genotype.schema == "nasnet_tf.dna")
    assert cost_of(dna, num_cells=3, filters=9, input_shape=(4, 4, 1)) == cost_of(
        dna, input_shape=(4, 4, 1)
    )


def test_an_argument_near_no_other_is_answered_with_all_of_them():
    with pytest.raises(
        TypeError,
        match=(
            r"adapt takes no argument 'zzz'[.] It takes source, input_range, classes, stem,"
            r" .*trainable, name"
        ),
    ):
        adapt("m.keras", zzz=1)
    with pytest.raises(TypeError, match="takes no argument 'model'"):
        from_keras_applications(model=1)
    with pytest.raises(TypeError, match="'partal', did you mean 'partial'"):
        load_weights(None, None, partal=True)


NETWORKS = [system.network() for system in SYSTEMS.values()]


@pytest.mark.parametrize(
    "function", [*NETWORKS, NASNetA, PNASNet5, AmoebaNetA, create_model, adapt]
)
def test_signatures_name_every_argument(function):
    parameters = inspect.signature(function).parameters
    assert "classes" in parameters
    assert not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())


def test_a_variant_takes_what_a_network_takes():
    ours = set(inspect.signature(Network).parameters) - {"genotype"}
    for function in (NASNetA, PNASNet5, AmoebaNetA, create_model):
        theirs = set(inspect.signature(function).parameters)
        assert ours <= theirs and theirs - ours <= {
            "variant",
            "model_name",
            "weights",
            "penultimate_filters",
        }


def test_a_function_that_passes_arguments_on_shows_and_takes_those_of_its_target():
    def target(a, b=1, *, c=2):
        return a, b, c

    @passes_on(target, without=("a",))
    def caller(x, **rest):
        return target(x, **rest)

    assert list(inspect.signature(caller).parameters) == ["x", "b", "c"]
    assert caller(1, c=5) == (1, 1, 5)
    with pytest.raises(TypeError, match="caller takes no argument 'a'"):
        caller(1, a=2)


def test_a_function_that_takes_anything_is_left_alone():
    def anything(**rest):
        return rest

    assert checked(anything) is anything
