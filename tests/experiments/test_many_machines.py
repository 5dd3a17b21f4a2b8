"""Sweeps on a real Dask cluster, and one training over real processes of MXNet's parameter server."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, run_module

from gluon_lr.experiments.distributed import Share
from gluon_lr.experiments.run import execute
from gluon_lr.experiments.store import Store
from gluon_lr.studies.chapter.experiment import build, specifications

DASK = str(Path(sys.executable).with_name("dask"))
QUICK = ("gluon_lr.chapter", "--quick")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def processes():
    """A starter of background processes; all of them are gone after the test."""
    started = []

    def start(*command, **environment):
        process = subprocess.Popen(
            list(map(str, command)),
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def histories(folder):
    return {
        (r.spec["run"], r.spec["seed"]): {k: v for k, v in r.history.items() if k != "seconds"}
        for r in Store(folder).records()
    }


@pytest.mark.slow
@pytest.mark.fault
def test_a_sweep_on_a_dask_cluster_outlives_a_killed_worker(tmp_path, processes):
    sweep = (*QUICK, "--only", "square-root,cosine", "--seeds", "0-2", "--epochs", "4")
    address = f"tcp://127.0.0.1:{free_port()}"
    processes(DASK, "scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2], "--no-dashboard")
    worker = (DASK, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
    doomed, _ = (processes(*worker, "--local-directory", tmp_path / f"w{i}") for i in range(2))
    time.sleep(4)
    command = [sys.executable, "-W", "ignore", "-m", *sweep, "--dask", address, "--out", str(tmp_path / "dask")]
    client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    runs = tmp_path / "dask" / "quick"
    deadline = time.monotonic() + 120
    while not any(0 < r.epochs < 4 for r in Store(runs).records()):
        assert client.poll() is None, client.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(doomed.pid, signal.SIGKILL)
    _, errors = client.communicate(timeout=240)
    assert client.returncode == 0, errors
    assert "Traceback" not in errors, errors
    assert run_module(*sweep, "--out", tmp_path / "here").returncode == 0
    assert len(Store(runs).records()) == 6
    assert histories(runs) == histories(tmp_path / "here" / "quick")
    assert (runs / "results.csv").read_text().count("\n") == 7


ELSEWHERE = """
import numpy as np
from mxnet import gluon
from gluon_lr.data import ArrayBatches


def net():
    return gluon.nn.Dense(2)


def data(seed):
    X = np.random.default_rng(seed).normal(size=(32, 2)).astype("float32")
    return [ArrayBatches(X, X[:, 0] > 0, 8, transform=np.asarray)] * 2
"""
ASKS = """
import sys
import joblib
from dask.distributed import Client
import my_parts
from gluon_lr import ConstantScheduler, compare
from gluon_lr.errors import UsageError

with Client(sys.argv[1]) as client, joblib.parallel_config(backend="dask", client=client):
    try:
        schedules = {"constant": ConstantScheduler}
        found = compare(my_parts.net, my_parts.data, schedules, epochs=1, out="out", progress=False)
        print("trained", found.trained)
    except UsageError as error:
        print("refused:", error)
"""


@pytest.mark.slow
@pytest.mark.parametrize("known", [False, True], ids=["missing", "there"])
def test_a_module_that_the_cluster_lacks_is_named_in_place_of_waiting_for_ever(tmp_path, processes, known):
    (tmp_path / "my_parts.py").write_text(ELSEWHERE)
    (tmp_path / "asks.py").write_text(ASKS)
    address = f"tcp://127.0.0.1:{free_port()}"
    path = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])} if known else {}
    processes(DASK, "scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2], "--no-dashboard", **path)
    worker = (DASK, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
    processes(*worker, "--local-directory", tmp_path / "w", **path)
    time.sleep(4)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "asks.py", address],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith("trained 3" if known else "refused: the Dask cluster cannot load")
    assert known or "my_parts" in done.stdout


@pytest.mark.slow
def test_no_scheduler_is_one_line(tmp_path):
    done = run_module(*QUICK, "--dask", f"tcp://127.0.0.1:{free_port()}", "--out", tmp_path)
    assert done.returncode == 2
    assert "no Dask scheduler at" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def parameter_server(processes):
    """The variables of a scheduler and a server that are up and wait for two workers."""
    variables = {
        "DMLC_PS_ROOT_URI": "127.0.0.1",
        "DMLC_PS_ROOT_PORT": str(free_port()),
        "DMLC_NUM_SERVER": "1",
        "DMLC_NUM_WORKER": "2",
    }
    for role in ("scheduler", "server"):
        processes(sys.executable, "-c", "import mxnet", DMLC_ROLE=role, **variables)
    return {"DMLC_ROLE": "worker", **variables}


def both(processes, command, environment):
    """What two workers that run ``command`` say; both have to end well."""
    workers = [processes(*command, **environment) for _ in range(2)]
    said = [worker.communicate(timeout=240)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    return said


@pytest.mark.slow
def test_two_workers_make_the_updates_of_one(tmp_path, processes, parameter_server):
    (spec,) = specifications(["multi-factor"], "as-printed", [0], 1, limit=2048)
    script = (
        "import sys; from pathlib import Path\n"
        "from gluon_lr.studies.chapter.experiment import build, specifications\n"
        "from gluon_lr.experiments.distributed import train_together\n"
        "(spec,) = specifications(['multi-factor'], 'as-printed', [0], 1, limit=2048)\n"
        "train_together(spec, build, Path(sys.argv[1]))"
    )
    both(processes, (sys.executable, "-c", script, tmp_path / "together"), parameter_server)
    alone = execute(spec, build, Store(tmp_path / "alone"))
    (together,) = Store(tmp_path / "together").records()
    assert together.history["updates"] == alone.history["updates"] == [8]
    assert together.history["lr_mean"] == alone.history["lr_mean"]
    for name in ("train_loss", "train_acc", "test_loss"):
        # The same sums in another order, in single precision. Only eight updates: at these rates rounding grows fast.
        np.testing.assert_allclose(together.history[name], alone.history[name], rtol=1e-6, err_msg=name)


@pytest.mark.slow
def test_the_command_trains_over_a_parameter_server(tmp_path, processes, parameter_server):
    one = (*QUICK, "--only", "cosine", "--epochs", "1", "--out", tmp_path, "--kvstore", "dist_sync")
    said = both(processes, (sys.executable, "-m", *one), parameter_server)
    assert sum("report: " in text for text in said) == 1, "exactly one of the workers tells of it"
    (record,) = Store(tmp_path / "quick").records()
    assert record.epochs == 1


def test_a_kvstore_without_its_processes_is_one_line(tmp_path):
    one = (*QUICK, "--kvstore", "dist_sync", "--out", tmp_path)
    many = run_module(*one)
    assert (many.returncode, "here are 5" in many.stderr) == (2, True), many.stderr
    done = run_module(*one, "--only", "cosine")
    assert done.returncode == 2
    assert "DMLC_ROLE" in done.stderr
    assert "Traceback" not in done.stderr


def test_shares_are_equal_and_lose_less_than_one_example_a_worker():
    X = np.arange(11)
    shares = [next(iter(Share([(X, X)], rank, 3)))[0].tolist() for rank in range(3)]
    assert {len(share) for share in shares} == {3}
    assert sorted(np.ravel(shares)) == list(range(9))
    assert list(Share([(X[:2], X[:2])], 0, 3)) == []
