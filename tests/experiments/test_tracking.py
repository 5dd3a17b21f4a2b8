"""Runs told to a real MLflow server, one that goes away, and a store of one's own."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from conftest import ROOT, run_module

from gluon_lr.experiments.store import Store
from gluon_lr.experiments.tracking import MlflowTracker
from gluon_lr.studies.chapter.experiment import specifications

pytestmark = pytest.mark.slow
COMMAND = ("gluon_lr.chapter", "--quick", "--only", "square-root,cosine", "--epochs", "3")


@pytest.fixture
def server(tmp_path):
    """A real MLflow server on loopback: its address, and its process group to kill."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
               "--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}",
               "--artifacts-destination", (tmp_path / "artifacts").as_uri(), "--workers", "1"]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd=str(tmp_path)
    )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 90
    while True:
        assert process.poll() is None
        assert time.monotonic() < deadline
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:
                assert answer.status == 200
            break
        except OSError:
            time.sleep(0.3)
    yield address, process.pid
    with_group_killed(process.pid)
    process.wait()


def with_group_killed(group):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def runs_at(uri):
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("chapter")
    return client, {run.data.params["run"]: run for run in client.search_runs([experiment.experiment_id])}


@pytest.mark.filterwarnings("ignore")  # MLflow's own and its dependencies', on import
def test_a_server_is_told_what_the_records_hold(tmp_path, server):
    address, _ = server
    done = run_module(*COMMAND, "--track", f"mlflow:{address}", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    client, runs = runs_at(address)
    assert sorted(runs) == ["cosine", "square-root"]
    for record in Store(tmp_path / "out" / "quick").records():
        run = runs[record.spec["run"]]
        assert run.info.status == "FINISHED"
        assert run.data.tags["outcome"] == record.status
        assert run.data.params["batch_size"] == "256"
        greatest = max(record.history["lr_first"] + record.history["lr_last"])
        assert float(run.data.params["greatest_lr_at_epoch_ends"]) == greatest
        for told, name in (("test_acc", "test_acc"), ("learning_rate", "lr_mean")):
            metrics = sorted(client.get_metric_history(run.info.run_id, told), key=lambda m: m.step)
            assert [m.value for m in metrics] == record.history[name]
            assert [m.step for m in metrics] == [1, 2, 3]
        assert client.list_artifacts(run.info.run_id, "figures")
    again = run_module(*COMMAND, "--track", f"mlflow:{address}", "--out", tmp_path / "out")
    assert again.returncode == 0, again.stderr
    assert len(runs_at(address)[1]) == 2, "a second call finds the runs of the first"


@pytest.mark.fault
def test_a_server_that_goes_away_costs_a_warning(tmp_path, server):
    address, group = server
    command = [sys.executable, "-W", "ignore", "-m", *COMMAND, "--epochs", "6", "--track", f"mlflow:{address}",
               "--out", str(tmp_path / "out")]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not any(r.epochs for r in Store(tmp_path / "out" / "quick").records()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    with_group_killed(group)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert errors.count("does not answer") == 1, errors
    assert "Traceback" not in errors
    assert {r.epochs for r in Store(tmp_path / "out" / "quick").records()} == {6}


def test_no_server_to_begin_with_is_one_line(tmp_path):
    done = run_module(*COMMAND, "--track", "mlflow:http://127.0.0.1:9", "--out", tmp_path)
    assert done.returncode == 2, done.stderr
    assert "no MLflow at http://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.filterwarnings("ignore")
def test_without_a_server_the_store_is_in_the_output_folder(tmp_path):
    done = run_module(
        *COMMAND, "--track", "mlflow", "--out", tmp_path / "out", env={"MLFLOW_TRACKING_URI": ""}, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    _, runs = runs_at(f"sqlite:///{tmp_path / 'out' / 'quick' / 'mlflow.db'}")
    assert sorted(runs) == ["cosine", "square-root"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


@pytest.mark.filterwarnings("ignore")
def test_parameters_that_a_lost_server_missed_follow(tmp_path):
    from mlflow import MlflowClient

    (spec,) = specifications(["cosine"], "as-printed", [0], 40)
    Store(tmp_path / "out").record_path(spec).parent.mkdir(parents=True)
    shutil.copy(Store(ROOT / "chapter_runs" / "chapter").record_path(spec), Store(tmp_path / "out").record_path(spec))
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    tracker = MlflowTracker(uri, spec.study, [spec], tmp_path / "out")
    client, tags = MlflowClient(uri), {"key": spec.key, "folder": tracker._where}
    begun = client.create_run(tracker._experiment, run_name=spec.key, tags=tags)
    client.log_param(begun.info.run_id, "seed", "0")
    with tracker:
        pass
    (run,) = client.search_runs([tracker._experiment])
    assert (run.data.params["reading"], run.data.params["seed"], run.info.status) == ("as-printed", "0", "FINISHED")
