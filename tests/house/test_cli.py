"""Wrong arguments: one line naming the remedy, exit code 1 or 2, no trace, and nothing on disk changed."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, run_module

from gluon_lr.__main__ import COMMANDS
from gluon_lr.cli import run, seeds
from gluon_lr.data import __main__ as data_command
from gluon_lr.errors import UsageError
from gluon_lr.experiments.record import Record
from gluon_lr.experiments.spec import RunSpec
from gluon_lr.experiments.store import Store
from gluon_lr.finder import __main__ as find_command
from gluon_lr.schedulers import __main__ as schedulers_command

pytestmark = pytest.mark.fault
WRONG = [
    ("--only", ["", "cosin", "constant,nothing", "Constant", "constant;cosine"]),
    ("--dask", [None]),
    ("--out", ["", "~nobody-of-this-name/x", None]),
    ("--data-dir", ["", "~nobody-of-this-name/x", None]),
    ("--epochs", ["0", "-1", "forty", "1.5", "", "1e3", "nan"]),
    ("--seeds", ["", "x", "-1", "4-1", "0-", "-", "1,,2", "0.5", "0-99999", "99999999999", "1;2"]),
    ("--jobs", ["0", "-2", "two", "1.5", ""]),
    ("--ctx", ["tpu", "gpu:x", "cpu:1", "gpu:", "", "GPU"]),
    ("--kvstore", ["", "local", "dist_async"]),
    ("--track", ["", "neptune", "wandb:x", "MLFLOW"]),
    ("--markdown", ["", "missing.md", "/"]),
    ("--quick", ["1", "yes"]),
    ("--report-only", ["1"]),
    ("--fresh", ["no"]),
    ("--nonsense", ["1"]),
]
CASES = [(option, value) for option, values in WRONG for value in values]
OF_ONE_STUDY = [("chapter", "--reading", value) for value in ("", "as printed", "per-week", "PER-EPOCH", None)]
OF_ONE_STUDY += [("talk", "--preset", value) for value in ("", "huge", "PAPER", None)]


def study(command):
    """A study's ``main`` in this process; the command line around it is tried in a process of its own below."""
    from importlib import import_module

    return import_module(f"gluon_lr.studies.{command}.__main__").main


STUDIES = ["chapter", "tutorial", "beyond", "article", "talk"]


@pytest.mark.parametrize(
    ("command", "option", "value"), [(command, *case) for command in STUDIES for case in CASES] + OF_ONE_STUDY
)
def test_a_wrong_value_is_one_line_and_exit_2(command, option, value, capsys, tmp_path, monkeypatch):
    """None stands for an option without its value."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        study(command)([option if value is None else f"{option}={value}"])
    errors = capsys.readouterr().err
    assert ended.value.code == 2
    assert errors.count("\n") == 1
    assert option.lstrip("-") in errors
    assert "expected" in errors or "--help" in errors
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("gluon_lr.chapter", "--epochs", "0"), 2, "at least 1"),
        (("gluon_lr.chapter", "--ctx", "gpu:5"), 2, "mxnet-cu112"),
        (("gluon_lr.chapter", "--report-only", "--out", "empty"), 2, "no records in empty"),
        (("gluon_lr.chapter", "--report-only", "--fresh", "--out", "empty"), 2, "leave --fresh out"),
        (("gluon_lr", "article", "--report-only", "--track", "mlflow", "--out", "empty"), 2, "leave --track out"),
        (
            ("gluon_lr", "beyond", "--report-only", "--dask", "tcp://127.0.0.1:1", "--out", "empty"),
            2,
            "leave --dask out",
        ),
        (("gluon_lr", "talk", "--quick", "--preset", "paper"), 2, "leave --preset out"),
        (("gluon_lr.chapter", "--dask", "nonsense", "--out", "new/er", "--quick"), 2, "no Dask scheduler at nonsense"),
        (("gluon_lr.chapter", "--track", "mlflow:http://127.0.0.1:9", "--out", "new"), 2, "no MLflow at"),
        (("gluon_lr", "tutorial", "--quick", "--kvstore", "dist_sync", "--out", "new"), 2, "choose one by --only"),
        (("gluon_lr.data", "where", "cifar10", "--data-dir", ""), 2, "empty name"),
        (("gluon_lr.data", "where", "cifar10", "--data-dir", "~nobody-of-this-name/x"), 2, "nobody-of-this-name"),
        (("gluon_lr.data", "where", "cifar10", "--data-dir", "file"), 1, "gluon_lr.data fetch cifar10"),
        (("gluon_lr.chapter", "--report-only", "--markdown", "file"), 2, "expected one of chapter-results"),
        (("gluon_lr.chapter", "--out", "file/below"), 1, "Name a writable one"),
        (("gluon_lr.chapter", "--out", "/proc/nothing"), 1, "Name a writable one"),
        (("gluon_lr.data", "fetch", "mnist"), 2, "fashion-mnist"),
        (("gluon_lr.data", "burn", "cifar10"), 2, "fetch"),
        (("gluon_lr.data",), 2, "required"),
        (("gluon_lr", "talk", "--preset", "huge"), 2, "paper"),
        (("gluon_lr.chapter", "--kvstore", "dist_sync", "--dask", "tcp://127.0.0.1:1"), 2, "leave --dask"),
        (("gluon_lr.chapter", "--kvstore", "dist_sync", "--only", "cosine", "--jobs", "2"), 2, "leave --dask, --jobs"),
        (("gluon_lr.data", "fetch", "cifar10", "--data-dir", "file"), 1, "--data-dir"),
        (("gluon_lr.schedulers", "sawtooth"), 2, "CosineScheduler"),
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


# MXNet takes a second and a half to import, so these run in this process; one more is above, in its own.
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("constant", "base_lr=nan"), "base_lr"),
        (("constant", "base_lr=1e999"), "base_lr is inf: expected a finite number"),
        (("polynomial", "max_update=10", "power=-1"), "power"),
        (
            ("warmup-stable-decay", "warmup=1", "stable=1", "decay=2", "final_lr=low"),
            "final_lr",
        ),
        (("cosine", "max_update=" + "-" * 20_000 + "1"), "max_update"),
        (("warmup", "warmup=100"), "WarmupScheduler: needs schedule, as name=value"),
        (("--n", "0"), "at least 1"),
        (("--n", "many"), "at least 1"),
        (("--n", "99999999999"), "at most 1,000,000"),
        (("--out", ""), "empty name"),
        (("--out", "."), "expected a file's name"),
        (("constant", "--out", "x.png"), "leave it out"),
        (("cosine", "max_update=long"), "max_update"),
        (("cosine", "speed=3"), "speed"),
        (("cosine", "max_update=5", "max_update=3"), "max_update is given twice"),
        (("--n", "5"), "name it too, or leave --n out"),
        (("cosine",), "max_update"),
    ],
)
def test_wrong_arguments_of_a_schedule(arguments, says, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("kept")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        run(schedulers_command.main, "schedulers", list(arguments))
    assert ended.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith(("gluon-lr", "gluon_lr", "python -m"))] == lines[-1:]
    assert says in lines[-1]
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("benchmarks/speed/bench.py", "--rounds", "0"), "at least 1"),
        (("benchmarks/speed/bench.py", "--report-only", "--out", "missing.json"), "measure all arms"),
        (
            ("benchmarks/speed/bench.py", "--report-only", "--out", "benchmarks/faults/campaigns.json"),
            "measure all arms",
        ),
        (("benchmarks/speed/bench.py", "--report-only", "--markdown", "missing.md"), "missing.md"),
        (("benchmarks/finder/regret.py", "--report-only", "--seeds", "-3"), "at least 1"),
        (("benchmarks/finder/regret.py", "--report-only", "--tasks", "lenet"), "expected some of lenet-sgd"),
        (("benchmarks/finder/regret.py", "--report-only", "--markdown", "missing.md"), "missing.md"),
        (("notebooks/run.py", "--smok"), "--smok"),
        (("notebooks/run.py", "chapter"), "expected some of lr_scheduling"),
        (("benchmarks/faults/campaigns.py", "soup"), "expected some of 'kill -9'"),
    ],
)
def test_the_scripts_command_lines(arguments, says):
    command = [sys.executable, "-W", "ignore", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", STUDIES)
def test_another_studys_folder_is_refused_and_stays(command, tmp_path):
    other = "beyond" if command == "chapter" else "chapter"
    spec = RunSpec(other, "constant", 0, 1)
    Store(tmp_path).write(spec, Record(spec.as_dict(), "finished", {"train_loss": [1.0]}, {}, {}, 1.0))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for more in ([], ["--report-only"]):
        with pytest.raises(UsageError, match=f"holds records of the study {other}"):
            study(command)([*more, "--out", str(tmp_path)])
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_quick_figures_stand_in_no_readme(tmp_path):
    (tmp_path / "R.md").write_text("<!-- beyond:begin -->\nfigures\n<!-- beyond:end -->\n")
    with pytest.raises(UsageError, match="not comparable"):
        study("beyond")(["--quick", "--markdown", str(tmp_path / "R.md"), "--out", str(tmp_path / "out")])
    assert "figures" in (tmp_path / "R.md").read_text()
    assert not (tmp_path / "out").exists()


def test_seeds_are_read_as_people_write_them():
    assert seeds("0") == [0]
    assert seeds("0-4") == [0, 1, 2, 3, 4]
    assert seeds(" 1, 3 ,5-6,3") == [1, 3, 5, 6]


@pytest.mark.parametrize("seed", ["-1", "1.5", "x", "4294967296"])
def test_a_seed_that_no_generator_takes_is_one_line_and_exit_2(seed, capsys):
    with pytest.raises(SystemExit) as ended:
        run(find_command.main, "find", ["module:make", f"--seed={seed}"])
    assert ended.value.code == 2
    assert f"expected a whole number from 0 to 4294967295, got '{seed}'" in capsys.readouterr().err


@pytest.mark.parametrize("command", [*STUDIES, "exercises"])
def test_the_overview_and_the_help_say_the_same_duration(command, capsys):
    minutes = COMMANDS[command][2].partition(" min")[0]
    with pytest.raises(SystemExit):
        study(command)(["--help"])
    assert f"Takes {minutes} minutes a seed" in " ".join(capsys.readouterr().out.split())


def test_a_report_of_a_reading_without_records_is_empty_not_an_error(tmp_path, capsys, monkeypatch):
    for path in (ROOT / "chapter_runs/chapter/runs").glob("cosine.as-printed.*seed[01].json"):
        (tmp_path / "runs").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "runs")
    monkeypatch.setattr("gluon_lr.studies.chapter.answer.EVIDENCE", tmp_path / "no clone")
    assert study("chapter")(["--report-only", "--out", str(tmp_path), "--reading", "per-epoch"]) == 0
    assert "No training has come to its end" in capsys.readouterr().out


def test_help_names_every_option():
    done = run_module("gluon_lr.chapter", "--help")
    assert done.returncode == 0
    for option, _ in WRONG[:-1]:
        assert option in done.stdout
    for option in ("--out", "--data-dir", "--quick", "--report-only", "--fresh"):
        assert option in done.stdout


def test_the_data_command_returns_its_exit_code(capsys):
    assert data_command.main(["where", "fashion-mnist"]) == 0
    assert "fashion-mnist" in capsys.readouterr().out


def test_an_interrupted_fresh_command_says_how_to_go_on(capsys):
    def interrupted(argv):
        raise KeyboardInterrupt

    for argv, says in ((["--fresh"], "the same command without --fresh goes on"), ([], "the same command goes on")):
        with pytest.raises(SystemExit) as ended:
            run(interrupted, "chapter", argv)
        assert ended.value.code == 130
        assert says in capsys.readouterr().err


def test_a_terminal_without_unicode_gets_a_question_mark(tmp_path):
    done = run_module("gluon_lr", "--help", cwd=tmp_path, env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "schedules ? rates" in done.stdout
    (tmp_path / "own.py").write_text("from gluon_lr.cli import run\nrun(lambda argv: print('\\xb1') or 0, 'own', [])\n")
    done = run_module("own", cwd=tmp_path, env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "?\n", "")


@pytest.mark.parametrize("arguments", [["--help"], ["chapter", "--help"], ["--version"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_closes_the_pipe_or_a_full_disk_costs_no_traceback(arguments, unbuffered):
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-W", "ignore", "-m", "gluon_lr", *arguments]
    read, write = os.pipe()
    os.close(read)
    full = os.open("/dev/full", os.O_WRONLY)
    for output in (write, full):
        done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, env=environment, check=False)
        assert done.returncode in (0, 1)  # newer Pythons' argparse does not mind
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr
        os.close(output)
