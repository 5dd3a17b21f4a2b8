"""Figures, progress and the README: what people look at."""

import io
import re
import subprocess
import sys
from contextlib import redirect_stderr

import pytest
from conftest import ROOT

from gluon_lr.experiments.progress import bars
from gluon_lr.experiments.record import Record
from gluon_lr.experiments.spec import RunSpec
from gluon_lr.experiments.store import Store
from gluon_lr.report.figures import SCHEDULES, draw_training, look, looks


def test_no_two_schedules_look_alike_in_colour_nor_in_grey():
    colors = [color for color, _, _ in SCHEDULES.values()]
    assert len(set(colors)) == len(colors)
    assert len({(str(dash), marker) for _, dash, marker in SCHEDULES.values()}) == len(SCHEDULES)


def test_names_of_the_users_own_are_told_apart_within_a_figure():
    named = looks(["constant", *(f"run {i}" for i in range(8))])
    assert named["constant"] == look("constant")
    for part in ("color", "linestyle", "marker"):
        assert len({str(style[part]) for name, style in named.items() if name != "constant"}) == 8


def record(seed, status, loss=0.5):
    history = {name: [1.0, loss] for name in ("train_loss", "train_acc", "test_acc")}
    spec = RunSpec("test", "cosine", seed, 2)
    return spec, Record(spec.as_dict(), status, history, {}, {}, 1.0)


def test_a_legend_says_how_many_trainings_did_not_collapse():
    group = [record(0, "finished")[1], record(1, "collapsed")[1], record(2, "finished")[1]]
    assert draw_training(group, "")._localaxes
    assert draw_training(group, "").legends[0].get_texts()[0].get_text() == "cosine (2 of 3)"
    assert draw_training(group[:1], "").legends[0].get_texts()[0].get_text() == "cosine"


def test_a_finished_sweep_is_shown_whole(tmp_path):
    """The last epochs come between the last look and the end."""
    specs = [record(seed, "finished")[0] for seed in range(2)]
    told = io.StringIO()
    told.isatty = lambda: True
    with redirect_stderr(told), bars(specs, Store(tmp_path), True):
        for seed in range(2):
            Store(tmp_path).write(*record(seed, "finished"))
    assert "4/4" in told.getvalue().rstrip().splitlines()[-1]


SMALLER = {
    "load_data_fashion_mnist(batch_size=256)": "load_data_fashion_mnist(batch_size=256, limit=512)",
    "limit=10_000": "limit=256",
    "seeds=[0, 1, 2]": "seeds=[0, 1]",
    "epochs=5": "epochs=1",
}
# What the README's shorter snippets take as given.
GIVEN = """
import mxnet as mx
from mxnet import gluon
from gluon_lr import load_data_fashion_mnist
from gluon_lr.nets import mlp
net, ctx, loss = mlp((16,)), mx.cpu(), gluon.loss.SoftmaxCrossEntropyLoss()
net.initialize()
data_loader, _ = load_data_fashion_mnist(batch_size=64, limit=512)
net(next(iter(data_loader))[0])
trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
"""
SNIPPETS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_the_readmes_code_runs(number, tmp_path):
    code = SNIPPETS[number]
    for large, small in SMALLER.items():
        code = code.replace(large, small)
    (tmp_path / "snippet.py").write_text((GIVEN if "= compare(" not in code else "") + code, encoding="utf-8")
    command = [sys.executable, "-W", "ignore", "snippet.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_readme_has_code_to_run():
    assert len(SNIPPETS) >= 4
