"""Each room imports only from the rooms before it, and one file alone touches what MXNet keeps to itself."""

import ast
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "gluon_lr"

ORDER = (
    *("errors", "files", "screen", "arguments", "compat", "cli"),
    *("schedulers", "state", "denormals", "optimizers", "data", "nets", "checks", "update", "metrics", "training"),
    *("hyper", "finder", "identity", "experiments", "analysis", "report", "studies"),
)
# Commands and front doors lead to whatever they show.
DOORS = {"__init__", "__main__", "chapter", "snapshot"}

PRIVATE = PACKAGE / "state" / "private.py"
PATCHES = PACKAGE / "compat" / "patches.py"  # which is there to replace what MXNet keeps to itself
# Underscored attributes of other objects than self and cls that are used outside that file, each with its reason.
ALLOWED = {("os", "_exit")}  # public in spite of its name: it ends a forked worker without its parent's exit handlers


def imported_rooms(path):
    """The rooms that a file of the package imports from, wherever in the file it does."""
    here = ("gluon_lr", *path.relative_to(PACKAGE).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = [*here[: -node.level], *filter(None, (node.module or "").split("."))]
            base = base if node.level else node.module.split(".")
            names = [[*base, alias.name] for alias in node.names]
        else:
            continue
        yield from (name[1] for name in names if name[0] == "gluon_lr" and len(name) > 1)


def test_each_room_imports_only_from_those_before_it():
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if path.stem == "__main__" or room in DOORS:
            continue
        assert room in ORDER, f"{room} has no place in the order"
        for other in imported_rooms(path):
            if other in ORDER and ORDER.index(other) > ORDER.index(room):
                wrong.append(f"{path.relative_to(PACKAGE)} imports from {other}")
    assert not wrong, wrong


def test_every_module_is_an_attribute_of_the_package_in_a_new_process():
    code = "import gluon_lr; print(gluon_lr.snapshot.load.__name__, gluon_lr.schedulers.__name__); gluon_lr.nothing"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "load gluon_lr.schedulers\n"
    assert "AttributeError: gluon_lr has no 'nothing'; it has AdamW" in done.stderr


def private_accesses(path):
    """``name._attribute`` of anything but self and cls, also through ``getattr`` or an import.

    Names between double underscores are public.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            owner, name = node.value, node.attr
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "setattr", "hasattr"):
            owner, name = node.args[0], getattr(node.args[1], "value", None)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module.split(".")[0] != "gluon_lr":
            yield from (
                f"{path.relative_to(PACKAGE)}:{node.lineno}: {node.module}.{alias.name}"
                for alias in node.names
                if alias.name.startswith("_")
            )
            continue
        else:
            continue
        owner = getattr(owner, "id", "…")
        private = isinstance(name, str) and name.startswith("_") and not name.startswith("__")
        if private and owner not in ("self", "cls") and (owner, name) not in ALLOWED:
            yield f"{path.relative_to(PACKAGE)}:{node.lineno}: {owner}.{name}"


def test_private_attributes_are_touched_in_one_file_alone():
    found = [
        line for path in PACKAGE.rglob("*.py") if path not in (PRIVATE, PATCHES) for line in private_accesses(path)
    ]
    assert not found, "\n".join(["use a function of state/private.py:", *found])
