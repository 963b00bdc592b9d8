"""Matches the arrays of a source with the variables of a network, and gives reasons for those
without a match. No array is read, and nothing is changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from nasnet_tf.systems.cells.network import Network
from nasnet_tf.zoo.slim import slim_variables
from nasnet_tf.zoo.source import SLIM, Source, SourceError, Stored, shortened

_CELL = re.compile(r"(reduction_cell_\d+|cell_\d+)/(.+)")


class Match(NamedTuple):
    """Arrays by role; the roles that keep their values in the model and those of the source that
    are unused, each with the reason; and which of these are faults.
    """

    arrays: dict[str, Stored]
    kept: dict[str, str]
    unused: dict[str, str]
    faults: tuple[str, ...]


def match(model: Network, source: Source, partial: bool = False) -> Match:
    """Finds the array of each variable of `model`.

    Args:
        partial: let variables without an array, or with one of another shape, keep their values.
    Raises: SourceError if the source is of another network.
    """
    variables = slim_variables(model)
    _check_kind(model, source)
    _check_cells(variables, source.arrays)
    fitting, kept, faults = {}, {}, []
    for role, variable in variables.items():
        array, shape = source.arrays.get(role), tuple(variable.shape)
        if array is not None and (
            array.shape == shape or _has_background(role, array.shape, shape, source)
        ):
            fitting[role] = array
        else:
            kept[role], fault = _why_kept(role, shape, source.arrays)
            faults += [role] if fault else []
    unused = dict.fromkeys(source.bookkeeping, "only training needs it")
    unused.update(dict.fromkeys(source.foreign, "it is no part of a NASNet"))
    for role in source.arrays.keys() - variables.keys():
        unused[role], fault = _why_unused(role, variables)
        faults += [role] if fault else []
    found = Match(fitting, kept, dict(sorted(unused.items())), (*faults, *source.foreign))
    if not fitting or found.faults and not partial:
        raise SourceError(_mismatch(found, source.arrays))
    return found


def _check_kind(model, source):
    config = {**model.get_config(), "genotype": model.genotype}
    if source.facts.get("genotype", model.genotype) != model.genotype:
        raise SourceError(
            "is of another genotype than the model; build the model with that genotype."
        )
    skips = source.facts.get("skip_reduction", config["skip_reduction"])
    if skips != config["skip_reduction"]:
        raise SourceError(
            f"is of a network with skip_reduction={skips}, whose cells read others than the"
            " model's; build the model so."
        )


def _check_cells(variables, arrays):
    """Raises SourceError for another N, F or genotype, whose cells have the same names."""
    ours, theirs = _cells(variables), _cells(arrays)
    if theirs and (
        theirs.keys() != ours.keys()
        or _widths(theirs, arrays).items() - _widths(ours, variables).items()
    ):
        raise SourceError(
            f"has {_size(theirs, arrays)}, the model has {_size(ours, variables)}; build the model"
            " with the same num_cells and filters."
        )
    for kind in ("cell", "reduction_cell"):  # the first cell's operations depend on the stem too
        cells = [cell for cell in theirs if cell.rsplit("_", 1)[0] == kind and cell != "cell_0"]
        if cells and all(_operations(theirs[cell]) != _operations(ours[cell]) for cell in cells):
            raise SourceError(
                f"has other operations in every {kind} than the model; build the model with the"
                " genotype it is of."
            )


def _cells(roles):
    """{cell: its roles without its name}, without those of the stem."""
    cells = {}
    for cell, role in (found.groups() for found in map(_CELL.fullmatch, roles) if found):
        cells.setdefault(cell, set()).add(role)
    return cells


def _widths(cells, arrays: Mapping):
    norms = {
        cell: next((f"{cell}/{role}" for role in roles if role.startswith("beginning_bn/")), None)
        for cell, roles in cells.items()
    }
    return {cell: arrays[norm].shape[-1] for cell, norm in norms.items() if norm}


def _size(cells, arrays):
    normal = [cell for cell in cells if cell.startswith("cell")]
    width = _widths(cells, arrays).get("cell_0", "an unknown number of")
    return (
        f"{len(normal)} normal cells and {len(cells) - len(normal)} reduction cells, from {width}"
        " filters on"
    )


def _operations(roles):
    return {role.rsplit("/", 1)[0] for role in roles if role.startswith("comb_iter_")}


def _has_background(role, theirs, ours, source):
    """Whether it has the additional class 0 of the original code, the background."""
    return source.layout == SLIM and "/FC/" in role and theirs == (*ours[:-1], ours[-1] + 1)


def _why_kept(role, shape, arrays):
    """(why a variable keeps its values, whether this is a fault)."""
    array = arrays.get(role)
    if role.startswith("aux_") and not any(other.startswith("aux_") for other in arrays):
        return "the source has no auxiliary head", False
    classifier = f"{role.rsplit('/', 1)[0]}/"
    if "/FC/" in role and not any(other.startswith(classifier) for other in arrays):
        return "the source has no classifier", False
    if array is None:
        return "the source has no such array", True
    if "/FC/" in role and array.shape[:-1] == shape[:-1]:
        return f"the source has {array.shape[-1]} classes, the model {shape[-1]}", False
    return f"it is {array.shape} in the source, {shape} in the model", True


def _why_unused(role, variables):
    if role.startswith("aux_") and not any(other.startswith("aux_") for other in variables):
        return "the model has no auxiliary head", False
    if role.startswith("final_layer/FC/") and role not in variables:
        return "the model has no classifier", False
    return "the model has no such variable", True


def _mismatch(found, arrays):
    if not found.arrays:
        return (
            f"has no array{shortened(arrays)} that fits the model; give weights of a network of"
            " this genotype."
        )
    missing = [role for role in found.faults if role in found.kept and role not in arrays]
    misshapen = [role for role in found.faults if role in found.kept and role in arrays]
    left_over = [role for role in found.faults if role in found.unused]
    example = f" ({misshapen[0]}: {found.kept[misshapen[0]]})" if misshapen else ""
    return (
        f"is of another network: {len(missing)} arrays are missing{shortened(missing)},"
        f" {len(misshapen)} have another shape{example}, {len(left_over)} have no"
        f" place{shortened(left_over)}; compare stem, stem_filters and residual, or take what fits:"
        " partial=True."
    )
