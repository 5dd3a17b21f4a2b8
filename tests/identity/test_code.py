"""Code of the user's own: which changes of a file make another function, and which do not."""

import importlib.util
import sys
from pathlib import Path

import pytest
from test_identity import SteeperDecay

from gluon_lr.identity import identify
from gluon_lr.identity.source import written


def load(path, text, name="users_module"):
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def written_module(tmp_path):
    count = iter(range(100))
    yield lambda text: load(tmp_path / f"module{next(count)}.py", text)
    sys.modules.pop("users_module", None)


BASE = """
import math
FLOOR = 0.1
def bound(x):
    return max(x, FLOOR)
class Part:
    scale = 2
    def __secret(self, t): return self.scale * t
    def value(self, t): return self.__secret(t)
def schedule(lr):
    def at(t):
        return bound(lr * math.cos(t)) + Part().value(0)
    return at
"""
SAME = {
    "comments": BASE.replace("def at(t):", "def at(t):  # of an update"),
    "docstring": BASE.replace("    return max(x, FLOOR)", '    "Not below."\n    return max(x, FLOOR)'),
    "spaces": BASE.replace("max(x, FLOOR)", "max( x,\n        FLOOR )"),
    "lines before": "\n\nimport os\n\n\ndef unused():\n    return 1\n" + BASE,
    "annotations": BASE.replace("def bound(x):", "def bound(x: float) -> float:"),
    "another unused variable": BASE + "\nOTHER = object()\n",
    "the function's name": BASE.replace("def at(t)", "def value_at(t)").replace("return at\n", "return value_at\n"),
}
OTHER = {
    "a constant": BASE.replace("lr * math.cos(t)", "2 * lr * math.cos(t)"),
    "a global variable": BASE.replace("FLOOR = 0.1", "FLOOR = 0.2"),
    "a function that is called": BASE.replace("return max(x, FLOOR)", "return min(x, FLOOR)"),
    "a class attribute": BASE.replace("scale = 2", "scale = 3"),
    "a private method": BASE.replace("return self.scale * t", "return self.scale * t * t"),
    "what is called": BASE.replace("math.cos", "math.sin"),
}


@pytest.mark.parametrize("change", SAME)
def test_what_does_not_change_a_function(written_module, change):
    first = identify(written_module(BASE).schedule(0.5))
    assert identify(written_module(SAME[change]).schedule(0.5)) == first


@pytest.mark.parametrize("change", OTHER)
def test_what_changes_a_function(written_module, change):
    first = identify(written_module(BASE).schedule(0.5))
    assert identify(written_module(OTHER[change]).schedule(0.5)) != first


def test_methods_and_lambdas_are_identified_by_their_source(written_module):
    module = written_module(BASE)
    pair = [lambda t: t, lambda t: t + 1]
    for function in (module.schedule, module.schedule(1), module.Part.value, module.Part._Part__secret, *pair):
        assert written(function)[0] == "source"
    assert written(SteeperDecay.half)[0] == "source"


def test_a_file_edited_after_it_was_imported_is_not_believed(tmp_path, written_module):
    module = written_module(BASE)
    before = identify(module.bound)
    Path(module.__file__).write_text(OTHER["a function that is called"])
    assert written(module.bound)[0] == "bytecode"
    Path(module.__file__).write_text(BASE)
    assert identify(module.bound) == before


def test_functions_without_a_source_are_told_apart_too():
    space = {}
    exec("def make(lr):\n    return lambda t: lr\ntwo = [lambda t: t, lambda t: 2 * t]", space)
    identities = [identify(f) for f in (space["make"](1), space["make"](2), *space["two"])]
    assert len(set(identities)) == 4
    assert written(space["two"][0])[0] == "bytecode"


def test_a_module_of_the_users_is_known_by_what_is_taken_from_it(tmp_path, monkeypatch):
    config = load(tmp_path / "users_config.py", "RATE = 0.1\nunused = open", "users_config")
    users = load(
        tmp_path / "users.py",
        "import users_config\ndef f(t):\n    return users_config.RATE\n"
        "def g(t):\n    from users_config import RATE\n    return RATE",
        "users",
    )
    before = identify(users.f), identify(users.g)
    config.unused = 3
    assert (identify(users.f), identify(users.g)) == before
    config.RATE = 0.2
    assert identify(users.f) != before[0]
    assert identify(users.g) != before[1]
    for name in ("users", "users_config"):
        del sys.modules[name]
