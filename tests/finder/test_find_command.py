"""``gluon-lr find``: a search of the user's own net, printed and drawn, or one line on what is wrong."""

import re
import sys

import pytest
from conftest import run_module
from mxnet import gluon

from gluon_lr import LRFinderResult
from gluon_lr.errors import UsageError
from gluon_lr.finder.__main__ import main

USERS_FILE = """
import mxnet as mx
from mxnet import gluon
from gluon_lr import Learner

X = mx.nd.array([[1, 0], [0, 1]] * 8)

def net(ctx):
    return gluon.nn.Dense(1)

def learner(ctx):
    net = gluon.nn.Dense(1)
    net.initialize(ctx=ctx)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.1})
    return Learner(net, [(X, X.sum(axis=1))], ctx, gluon.loss.L2Loss(), trainer)

def data():
    return [(X, X.sum(axis=1))]

def squared():
    return gluon.loss.L2Loss()

def absolute():
    return gluon.loss.L1Loss(weight=100)

def broken(ctx):
    return 1 / 0

def number(ctx):
    return 3
"""
ON_DATA = ("--data", "users_nets:data", "--loss", "users_nets:squared")


@pytest.fixture
def in_a_folder_with_nets(tmp_path, monkeypatch):
    (tmp_path / "users_nets.py").write_text(USERS_FILE)
    (tmp_path / "broken_nets.py").write_text("1 / 0")
    (tmp_path / "torn_nets.py").write_text("def net(:")
    monkeypatch.delitem(sys.modules, "users_nets", raising=False)  # of another test
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_the_command_prints_a_search_and_draws_it(in_a_folder_with_nets):
    done = run_module("gluon_lr", "find", "users_nets:net", *ON_DATA, cwd=in_a_folder_with_nets)
    assert done.returncode == 0, done.stderr
    out = in_a_folder_with_nets / "my_runs" / "find"
    result = LRFinderResult.from_json(out / "find.json")
    assert repr(result) in done.stdout
    assert re.search(rf"turn +{result.suggestion.lr:.3g}\n", done.stdout)
    assert (out / "find.png").stat().st_size > 10_000
    assert (out / "find.csv").read_text().count("\n") == len(result) + 1


def test_what_the_options_ask_for_is_searched(in_a_folder_with_nets, capsys):
    options = ("--data", "users_nets:data", "--optimizer", "sgd", "--param", "momentum=0.5", "--lr-start", "1e-3",
               "--multiplier", "2", "--lr-stop", "1", "--repeats", "3", "--loss", "users_nets:absolute")  # fmt: skip
    assert main(["users_nets:net", *options]) == 0
    result = LRFinderResult.from_json(in_a_folder_with_nets / "my_runs" / "find" / "find.json")
    assert result.lrs.tolist() == [1e-3 * 2**i for i in range(10)]
    assert len(result.repeats) == 3
    assert result.momentum == 0.5
    assert result.losses[0] > 10, "not the loss that was asked for"


def test_the_same_seed_gives_the_same_search(in_a_folder_with_nets):
    found = []
    for seed in ("1", "1", "2"):
        main(["users_nets:net", *ON_DATA, "--seed", seed])
        found.append(LRFinderResult.from_json(in_a_folder_with_nets / "my_runs" / "find" / "find.json"))
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_a_learner_of_the_users_brings_its_own_data_loss_and_trainer(in_a_folder_with_nets):
    assert main(["users_nets:learner", "--out", "adams"]) == 0
    assert LRFinderResult.from_json(in_a_folder_with_nets / "adams" / "find.json").momentum == 0.9


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["users_nets:broken"], r"users_nets:broken failed at .*users_nets\.py:\d+: ZeroDivisionError"),
        (["users_nets:number"], "users_nets:number gave 3: expected a Gluon net or a Learner"),
        (["users_nets:data"], "users_nets:data failed: TypeError"),
        (["users_nets:nets"], "users_nets has no 'nets'"),
        (["nobodys:net"], "cannot import 'nobodys'"),
        (["users_nets:net", "--data", "mnist"], "--data mnist: expected fashion-mnist, cifar10 or module:function"),
        (["users_nets:net", "--optimizer", "sdg"], "--optimizer sdg: "),
        (["users_nets:net", "--param", "momentum"], "--param momentum: expected NAME=VALUE"),
        (["users_nets:net", *ON_DATA, "--param", "momentum=abc"], "--param momentum=abc: expected a number"),
        (["users_nets:net", *ON_DATA, "--param", "lr_scheduler=3"], "--param lr_scheduler=3: expected a number"),
        (["users_nets:net", "--data", ":data"], "--data :data: expected fashion-mnist, cifar10 or module:function"),
        (["broken_nets:net"], "cannot import 'broken_nets' for 'broken_nets:net': ZeroDivisionError"),
        (["torn_nets:net"], "cannot import 'torn_nets' for 'torn_nets:net': SyntaxError"),
        (["users_nets:net", "--param", "momemtum=0.9"], "--optimizer sgd: .*momemtum"),
        (["users_nets:net", *ON_DATA, "--lr-stop", "1e-9"], "lr_stop"),
        (["users_nets:learner", *ON_DATA], "a Learner brings its own data: leave --data out"),
        (["users_nets:learner", "--optimizer", "adam"], "a Learner brings its own trainer: leave --optimizer out"),
        (["users_nets:learner", "--param", "wd=0.1"], "a Learner brings its own trainer: leave --param out"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(in_a_folder_with_nets, arguments, says):
    with pytest.raises(UsageError, match=says) as caught:
        main(arguments)
    assert "\n" not in str(caught.value)
    assert not (in_a_folder_with_nets / "my_runs").exists()


def test_a_net_that_is_initialized_already_stays_as_it_is(in_a_folder_with_nets, monkeypatch):
    import users_nets

    made = gluon.nn.Dense(1, in_units=2)
    made.initialize()
    before = made.weight.data().asnumpy()
    monkeypatch.setattr(users_nets, "net", lambda ctx: made)
    main(["users_nets:net", *ON_DATA])
    assert (made.weight.data().asnumpy() == before).all()


def test_a_search_without_a_finite_loss_keeps_its_tables(in_a_folder_with_nets, capsys):
    (in_a_folder_with_nets / "users_nets.py").write_text(
        USERS_FILE + "\ndef lost():\n    return lambda output, label: (output - label[:, None]).abs() * float('nan')\n"
    )
    with pytest.raises(UsageError):
        main(["users_nets:net", "--data", "users_nets:data", "--loss", "users_nets:lost", "--out", "found"])
    assert sorted(path.name for path in (in_a_folder_with_nets / "found").iterdir()) == ["find.csv", "find.json"]


def test_a_place_that_cannot_be_written_is_refused_before_the_search(in_a_folder_with_nets):
    (in_a_folder_with_nets / "taken").write_text("")
    with pytest.raises(UsageError, match="--out taken is a file"):
        main(["users_nets:net", *ON_DATA, "--lr-stop", "1e-9", "--out", "taken"])


def test_what_the_net_raises_is_one_line(in_a_folder_with_nets):
    with pytest.raises(UsageError, match=r"the search failed.*clip_gradient"):
        main(["users_nets:net", *ON_DATA, "--param", "clip_gradient=abc"])
    with pytest.raises(UsageError, match="expected a number"):
        main(["users_nets:net", *ON_DATA, "--param", "momentum=True"])
