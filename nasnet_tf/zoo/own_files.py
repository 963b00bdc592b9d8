"""Weights of our own `Network`: in memory, and in files that Keras writes.

The arrays of such a file can be identified only by a network with the same layers. Therefore one is
built: by the configuration in the file, or, if there is none, like the model that will have the
weights, but with the stem and the heads in the file.
"""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import tempfile

import h5py

from nasnet_tf.systems.cells.genotype import Genotype
from nasnet_tf.systems.cells.network import Network
from nasnet_tf.systems.cells.plan import plan
from nasnet_tf.systems.costs import cost
from nasnet_tf.systems.stages import stage_cells
from nasnet_tf.zoo import hdf5
from nasnet_tf.zoo.slim import slim_variables
from nasnet_tf.zoo.source import OURS, Source, SourceError, stored

# The arguments of a `Network` on which its arrays or their meaning depend.
_ARGUMENTS = (
    "num_cells",
    "filters",
    "classes",
    "stem",
    "input_shape",
    "include_top",
    "auxiliary_head",
    "skip_reduction",
    "residual",
    "stem_filters",
    "stem_cell_filters",
)


def network_source(network: Network) -> Source:
    """The weights of a network in memory."""
    arrays = {role: stored(variable) for role, variable in slim_variables(network).items()}
    config = network.get_config()
    own = {
        "genotype": network.genotype,
        "skip_reduction": config["skip_reduction"],
        "class_names": network.class_names,
    }
    return Source(arrays, OURS, {**own, "mean": config["mean"], "std": config["std"]})


def is_ours(found: dict[str, h5py.Dataset]) -> bool:
    """Whether datasets in the layout of Keras 3 are those of a `Network`."""
    return any(path.startswith("layers/cell/") for path in found)


def file_source(
    path: pathlib.Path, found: dict[str, h5py.Dataset], model: Network, config: dict | None
) -> Source:
    """The weights in a file in the layout of Keras 3.

    Args:
        found: the datasets of that file.
        model: the network that will have the weights.
        config: of the saved network, if it is known.
    """
    found = {
        name: dataset
        for name, dataset in found.items()
        if name.startswith("layers/") and hdf5.is_weight(dataset)
    }
    if config:
        arguments = {
            "genotype": Genotype.from_json(json.dumps(config["genotype"])),
            **{key: config[key] for key in _ARGUMENTS},
        }
        _check_size(arguments, model.get_config())
    else:
        arguments = _inferred_arguments(found, model)
    held, expected = _numbers(found), _parameters(**arguments)
    if held != expected:
        raise SourceError(
            f"holds {held:,} numbers, not the {expected:,} of a network of its kind; compare"
            " genotype, filters and residual."
        )
    network = Network(**arguments, dtype="float32")
    _load(network, path)
    source = network_source(network)
    kept = {name: config.get(name) for name in ("mean", "std", "class_names")} if config else {}
    return source._replace(facts={**source.facts, **kept} if config else {})


def _check_size(saved, wanted):
    sizes = [(stage_cells(config["num_cells"]), config["filters"]) for config in (saved, wanted)]
    if sizes[0] != sizes[1]:
        (theirs, their_filters), (ours, our_filters) = sizes
        raise SourceError(
            f"has {theirs} cells a stage from {their_filters} filters on, the model {ours} from"
            f" {our_filters} on; build the model with the same num_cells and filters."
        )


def _inferred_arguments(found, model):
    config = model.get_config()
    cells = len(
        {match[0] for match in map(re.compile(r"layers/cell(_\d+)?/").match, found) if match}
    )
    body = len(plan(model.genotype, config["num_cells"], config["filters"]))
    stems = {body: "cifar", body + 2: "imagenet"}
    if cells not in stems:
        raise SourceError(
            f"has {cells} cells, the model {body} besides those of its stem; build the model with"
            " the same num_cells."
        )
    classifiers = [
        found.get(f"layers/{layer}/vars/0") for layer in ("dense", "auxiliary_head/dense")
    ]
    classes = [kernel.shape[-1] for kernel in classifiers if kernel is not None]
    stem = _numbers(
        {name: dataset for name, dataset in found.items() if name.startswith("layers/conv_norm/")}
    )
    arguments = {
        "genotype": model.genotype,
        **{key: config[key] for key in _ARGUMENTS},
        "classes": classes[0] if classes else 1,
        "include_top": classifiers[0] is not None,
        "auxiliary_head": classifiers[1] is not None,
        "stem": stems[cells],
        # a 3x3 kernel and a batch norm
        "stem_filters": stem // (9 * config["input_shape"][-1] + 4),
        "stem_cell_filters": (
            config["stem_cell_filters"] if stems[cells] == config["stem"] else None
        ),
    }
    if arguments["auxiliary_head"]:
        arguments["input_shape"] = _input_shape(arguments, _numbers(found))
    return arguments


def _input_shape(arguments, held):
    """An input shape, that of the model or a square one, with which the auxiliary head has the
    right number of parameters.
    """
    *size, channels = arguments["input_shape"]
    # pixels for one more row of the head's convolution
    step, smallest = (48, 81) if arguments["stem"] == "imagenet" else (6, 10)
    shapes = [(side, side, channels) for side in range(smallest, smallest + 40 * step, step)]
    shapes = shapes if None in size else [(*size, channels), *shapes]
    return next(
        (shape for shape in shapes if _parameters(**{**arguments, "input_shape": shape}) == held),
        shapes[0],
    )


def _numbers(found):
    return sum(dataset.size for dataset in found.values())


def _parameters(input_shape, **arguments):
    # the size matters only to the auxiliary head, which needs a given one
    size = [side or 64 for side in input_shape[:2]]
    return cost(**arguments, input_shape=(*size, input_shape[2])).parameters


def _load(network, path):
    """Loads the file under a name by which Keras recognizes its layout."""
    with tempfile.TemporaryDirectory() as folder:
        named = path
        if not path.name.endswith(".weights.h5"):
            named = pathlib.Path(folder, "model.weights.h5")
            shutil.copyfile(path, named)
        network.load_weights(named)
