"""Wrong arguments: one line naming the remedy, exit code 1 or 2, no trace, and nothing on disk changed."""

import pytest
from conftest import run_module

from gluon_lr.cli import seeds
from gluon_lr.data import __main__ as data_command

WRONG = [
    ("--only", ["", "cosin", "constant,nothing", "Constant", "constant;cosine"]),
    ("--reading", ["", "as printed", "per-week", "PER-EPOCH"]),
    ("--epochs", ["0", "-1", "forty", "1.5", "", "1e3", "nan"]),
    ("--seeds", ["", "x", "-1", "4-1", "0-", "-", "1,,2", "0.5", "0-99999", "99999999999", "1;2"]),
    ("--jobs", ["0", "-2", "two", "1.5", ""]),
    ("--ctx", ["tpu", "gpu:x", "cpu:1", "gpu:", "", "GPU"]),
    ("--kvstore", ["", "local", "dist_async"]),
    ("--track", ["", "neptune", "wandb:x", "MLFLOW"]),
    ("--readme", ["", "missing.md", "/"]),
    ("--epoch", ["3"]),
    ("--nonsense", ["1"]),
]
CASES = [(option, value) for option, values in WRONG for value in values]


def study(command):
    """A study's ``main`` in this process; the command line around it is tried in a process of its own below."""
    from importlib import import_module

    return import_module(f"gluon_lr.{command}.__main__").main


STUDIES = ["chapter", "tutorial", "beyond", "article", "talk"]


@pytest.mark.parametrize("command", STUDIES)
@pytest.mark.parametrize(("option", "value"), CASES)
def test_a_wrong_value_is_one_line_and_exit_2(command, option, value, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        study(command)([f"{option}={value}"])
    errors = capsys.readouterr().err
    assert ended.value.code == 2
    assert errors.count("\n") == 1
    assert option.lstrip("-") in errors
    assert "expected" in errors or "--help" in errors
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("gluon_lr.chapter", "--epochs", "0"), 2, "1 or more"),
        (("gluon_lr.chapter", "--ctx", "gpu:5"), 2, "mxnet-cu112"),
        (("gluon_lr.chapter", "--report-only", "--out", "empty"), 2, "no records in empty"),
        (("gluon_lr.chapter", "--report-only", "--fresh", "--out", "empty"), 2, "leave one of them out"),
        (("gluon_lr.chapter", "--report-only", "--readme", "file"), 2, "chapter-results:begin"),
        (("gluon_lr.chapter", "--out", "file/below"), 1, "Name a writable one"),
        (("gluon_lr.chapter", "--out", "/proc/nothing"), 1, "Name a writable one"),
        (("gluon_lr.data", "fetch", "mnist"), 2, "fashion-mnist"),
        (("gluon_lr.data", "burn", "cifar10"), 2, "fetch"),
        (("gluon_lr.data",), 2, "required"),
        (("gluon_lr.talk", "--preset", "huge"), 2, "paper"),
        (("gluon_lr.chapter", "--kvstore", "dist_sync", "--dask", "tcp://127.0.0.1:1"), 2, "leave --dask"),
        (("gluon_lr.schedulers", "sawtooth"), 2, "CosineScheduler"),
        (("gluon_lr.schedulers", "cosine", "max_update=long"), 2, "max_update"),
        (("gluon_lr.schedulers", "cosine", "speed=3"), 2, "speed"),
        (("gluon_lr.schedulers", "cosine"), 2, "max_update"),
        (("gluon_lr.data", "fetch", "cifar10", "--data-dir", "file"), 1, "--data-dir"),
    ],
)
def test_the_command_line_itself(arguments, code, says, tmp_path):
    (tmp_path / "file").write_text("kept")
    done = run_module(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith(("gluon_lr", "python -m"))]) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "kept"


def test_seeds_are_read_as_people_write_them():
    assert seeds("0") == [0]
    assert seeds("0-4") == [0, 1, 2, 3, 4]
    assert seeds(" 1, 3 ,5-6,3") == [1, 3, 5, 6]


def test_help_names_every_option():
    done = run_module("gluon_lr.chapter", "--help")
    assert done.returncode == 0
    for option, _ in WRONG[:6]:
        assert option in done.stdout
    for option in ("--out", "--data-dir", "--quick", "--report-only", "--fresh"):
        assert option in done.stdout


def test_the_data_command_returns_its_exit_code(capsys):
    assert data_command.main(["where", "fashion-mnist"]) == 0
    assert "fashion-mnist" in capsys.readouterr().out
