"""The rooms of the package: what may import what, as CONTRIBUTING.md says it."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "nasnet_tf"
DOORS = {"genotype", "spaces", "network", "cost", "evaluation"}
FREE = {"__init__", "__main__", "moved"}  # they send users to the rooms


def order():
    said = re.search(r"before it in this list: ([^.]+)\.", (ROOT / "CONTRIBUTING.md").read_text())
    return re.split(r",\s+", said[1].strip())


def room(module):
    """The room of a dotted name inside the package."""
    return module.split(".")[1] if "." in module else "__init__"


def imports(path):
    """The dotted names that a file imports, at its top or in a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "nasnet_tf":
            yield from (f"nasnet_tf.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def files():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield parts[0], path


def test_every_room_has_its_place():
    assert {name for name, _ in files()} == {*order(), *DOORS, *FREE}


@pytest.mark.parametrize("name", [*order()])
def test_a_room_imports_only_from_rooms_before_it(name):
    allowed = {*order()[: order().index(name) + 1], "__init__", "__version__"}
    wrong = [
        f"{path.name} imports {module}"
        for own, path in files()
        if own == name
        for module in imports(path)
        if module.split(".")[0] == "nasnet_tf" and room(module) not in allowed
    ]
    assert not wrong


def test_keras_tuner_is_imported_by_the_tuners_alone():
    found = {name for name, path in files() for m in imports(path) if "keras_tuner" in m}
    assert found == {"tuners"}
