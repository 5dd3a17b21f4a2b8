"""Every Python on this machine trains to the same bits."""

import json
import os
import signal
import subprocess
import time

import pytest
from test_compat import PYTHONS, python, several

SAME_BITS = """
import hashlib, json, platform
import gluon_lr, mxnet as mx, numpy as np
from mxnet import autograd, gluon, init

def lenet():
    nn, net = gluon.nn, gluon.nn.HybridSequential()
    net.add(nn.Conv2D(6, 5, padding=2, activation="relu"), nn.MaxPool2D(2, 2),
            nn.Conv2D(16, 5, activation="relu"), nn.MaxPool2D(2, 2),
            nn.Dense(120, activation="relu"), nn.Dense(84, activation="relu"), nn.Dense(10))
    return net

def mlp():
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(64, activation="relu"), gluon.nn.Dense(10))
    return net

def trained(net, array, optimizer, options):
    draw = np.random.Generator(np.random.PCG64(0))
    images = (draw.integers(0, 256, (5, 64, 1, 28, 28)) / 255).astype("float32")
    labels = draw.integers(0, 10, (5, 64)).astype("float32")
    mx.random.seed(0); np.random.seed(0)
    net.initialize(init.Xavier()); net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), optimizer, options)
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    for update in range(20):
        x, y = array(images[update % 5]), array(labels[update % 5])
        with autograd.record():
            value = loss(net(x), y)
        value.backward()
        trainer.step(64)
    digest = hashlib.sha256()
    for parameter in net.collect_params().values():
        digest.update(parameter.data().asnumpy().tobytes())
    return digest.hexdigest()

told = {"mlp": trained(mlp(), mx.nd.array, "adam", {"learning_rate": 0.001})}
mx.npx.set_np()
told["lenet"] = trained(lenet(), mx.np.array, "sgd", {"learning_rate": 0.1})
print(json.dumps({"python": platform.python_version(), "numpy": np.__version__, **told}))
"""


@pytest.mark.slow
@several
def test_every_python_on_this_machine_trains_to_the_same_bits():
    told = []
    for executable in PYTHONS:
        done = python(SAME_BITS, executable=executable)
        assert done.returncode == 0, done.stderr
        told.append(json.loads(done.stdout))
    assert len({entry["python"] for entry in told}) > 1, told
    assert len({(entry["mlp"], entry["lenet"]) for entry in told}) == 1, told


ONE_RUN = ("gluon_lr.chapter", "--quick", "--only", "square-root", "--epochs", "4", "--jobs", "1")


def results(folder):
    """The table of a folder's runs, seconds aside."""
    header, *rows = (line.split(",") for line in (folder / "quick" / "results.csv").read_text().splitlines())
    return [dict(zip(header, row), seconds=None) for row in rows]


@several
@pytest.mark.slow
@pytest.mark.fault
def test_a_run_cut_short_on_one_python_goes_on_on_another_with_the_same_bits(tmp_path):
    def run(executable, out, **options):
        command = [executable, "-W", "ignore", "-m", *ONE_RUN, "--out", str(out)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    first, last = PYTHONS[0], PYTHONS[-1]
    whole = run(first, tmp_path / "whole")
    _, errors = whole.communicate(timeout=300)
    assert whole.returncode == 0, errors

    cut = run(last, tmp_path / "cut", start_new_session=True)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "cut").rglob("*.checkpoint.npz")):
        assert cut.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(cut.pid, signal.SIGKILL)
    cut.communicate(timeout=60)
    assert list((tmp_path / "cut").rglob("*.checkpoint.npz")), "the run was over: nothing to go on from"
    resumed = run(first, tmp_path / "cut")
    _, errors = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, errors
    assert "damaged" not in errors, errors
    assert results(tmp_path / "cut") == results(tmp_path / "whole")
