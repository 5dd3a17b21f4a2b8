"""What a worker process trains is what the record names: the net, the data, the folder, the user's files."""

import os
import sys
import threading

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

from gluon_lr import ConstantScheduler, compare
from gluon_lr.data import ArrayBatches
from gluon_lr.errors import UsageError
from gluon_lr.studies.compare.identified import bound, data_as_made
from gluon_lr.studies.compare.refusal import require_same

FILE = """
import numpy as np
from mxnet import gluon
from gluon_lr.data import ArrayBatches

WIDTH = 4

def net():
    made = gluon.nn.HybridSequential()
    made.add(gluon.nn.Dense(WIDTH, activation="relu"), gluon.nn.Dense(2))
    return made

def loss(output, label):
    return (output[:, 0] - FACTOR * label) ** 2

FACTOR = 1

def data(seed):
    X = np.load("X.npy")
    return tuple(ArrayBatches(X, X[:, 0] > 0, 16, seed=seed, transform=lambda x: x) for _ in range(2))
"""


def saved(folder, seed):
    folder.mkdir(exist_ok=True)
    np.save(folder / "X.npy", np.random.RandomState(seed).randn(48, 2).astype("float32"))
    return folder


def clouds(seed, draw=None):
    X = (draw or np.random.RandomState(seed)).randn(48, 2).astype("float32")
    return tuple(ArrayBatches(X, X[:, 0] > 0, 16, seed=seed, transform=lambda x: x) for _ in range(2))


def net():
    return gluon.nn.Dense(2)


def run(make_net, data, out, **others):
    schedules = others.pop("schedules", {"mine": ConstantScheduler})
    settings = {"seeds": [0], "epochs": 1, "lrs": [0.5], "jobs": 1, "progress": False, **others}
    return compare(make_net, data, schedules, out=out, **settings)


@pytest.fixture
def users_file(tmp_path, monkeypatch):
    saved(tmp_path, 0)
    (tmp_path / "users_worker_nets.py").write_text(FILE)
    monkeypatch.delitem(sys.modules, "users_worker_nets", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    import users_worker_nets

    return users_worker_nets


def test_a_module_that_was_changed_after_its_import_trains_no_other_net_than_its_record_names(users_file, tmp_path):
    users_file.WIDTH = 8  # a worker imports the file, which says 4
    (record,) = run(users_file.net, users_file.data, tmp_path / "out").records
    assert record.status == "failed"
    assert "makes another net than the process that called compare" in record.failure
    assert record.made_by != "1.0.0"


def test_a_module_that_was_edited_and_loaded_again_is_what_trains(users_file, tmp_path):
    import importlib

    (before,) = run(users_file.net, users_file.data, tmp_path / "a", loss=users_file.loss).records
    (tmp_path / "users_worker_nets.py").write_text(FILE.replace("FACTOR = 1", "FACTOR = 100"))
    os.utime(tmp_path / "users_worker_nets.py", (1, 1))  # so that no compiled file of the same second is taken for it
    importlib.reload(users_file)
    (after,) = run(users_file.net, users_file.data, tmp_path / "b", loss=users_file.loss).records
    assert after.last("train_loss") > 100 * before.last("train_loss")


def test_a_worker_reads_the_data_of_the_folder_from_which_it_is_called(users_file, tmp_path, monkeypatch):
    losses = []
    for name, seed in (("one", 1), ("two", 2), ("one", 1)):
        monkeypatch.chdir(saved(tmp_path / name, seed))
        (record,) = run(users_file.net, users_file.data, tmp_path / f"out{len(losses)}").records
        assert record.complete, record.error
        losses.append(record.last("train_loss"))
    assert losses[0] == losses[2] != losses[1]


def test_a_net_that_is_not_made_anew_is_refused(tmp_path):
    one = net()
    with pytest.raises(UsageError, match="gave the same net twice: expected a new one"):
        run(lambda: one, clouds, tmp_path)


def test_data_that_differ_at_each_call_are_not_trained_on(tmp_path):
    (record,) = run(net, lambda seed: clouds(seed, np.random.RandomState()), tmp_path).records
    assert record.status == "failed"
    assert "makes other data than the process that called compare" in record.failure


def test_a_function_that_remembers_is_refused_before_anything_is_trained(tmp_path):
    kept = {}

    def cached(seed):
        if seed not in kept:
            kept[seed] = clouds(seed)
        return kept[seed]

    with pytest.raises(UsageError, match=r"data is another function after each call"):
        run(net, cached, tmp_path, seeds=[0, 1])
    assert not list(tmp_path.rglob("*.json"))
    named = run(net, cached, tmp_path, seeds=[0, 1], names={"data": "clouds-v1"})
    assert [record.status for record in named.records] == ["finished"] * 2


def test_rounding_is_no_other_data_and_other_numbers_are():
    X = np.random.RandomState(0).randn(48, 30).astype("float32")

    def made(X, y=X[:, 0] > 0):
        return {
            "data": data_as_made([ArrayBatches(X, y, 16, transform=lambda x: x), [(mx.nd.array(X), mx.nd.array(y))]])
        }

    require_same(made(X), made(X * np.float32(1 + 1e-6)))
    one_label = X[:, 0] > 0
    one_label[47] = not one_label[47]  # on the border, where rounding decides
    require_same(made(X), made(X, one_label))
    require_same({"data": None}, {"data": made(X)["data"]})
    years, datasets = np.full(48, 2019), gluon.data.ArrayDataset(X, X[:, 0]).transform_first(lambda x: x)
    for one, another in (
        ([ArrayBatches(X, years, 16, transform=lambda x: x)], [ArrayBatches(X, years + 1, 16, transform=lambda x: x)]),
        ([mx.io.NDArrayIter(X, X[:, 0], 4)], [mx.io.NDArrayIter(X, X[:, 0], 8)]),
        (
            [gluon.data.DataLoader(datasets, 16)],
            [gluon.data.DataLoader(gluon.data.ArrayDataset(3 * X, X[:, 0]).transform_first(lambda x: x), 16)],
        ),
    ):
        require_same({"data": data_as_made(one)}, {"data": data_as_made(one)})
        with pytest.raises(UsageError, match="other data"):
            require_same({"data": data_as_made(one)}, {"data": data_as_made(another)})
    assert data_as_made([[(X, np.array(0.5))]])[0][-1][1][-1] == [0.5]
    for other in (X[::-1], X + 1, X[:47], X.astype("float64")):
        with pytest.raises(UsageError, match="other data"):
            require_same(made(X), made(other, X[: len(other), 0] > 0))


def test_a_dataset_that_keeps_what_it_has_read_is_trained_on(tmp_path):
    class Cached(gluon.data.Dataset):
        def __init__(self):
            self.read = {}

        def __len__(self):
            return 48

        def __getitem__(self, i):
            if i not in self.read:
                self.read[i] = np.full(2, i % 2, "float32"), np.float32(i % 2)
            return self.read[i]

    both = tuple(gluon.data.DataLoader(Cached(), 16) for _ in range(2))
    assert [r.status for r in run(net, both, tmp_path, seeds=[0, 1]).records] == ["finished"] * 2


def test_data_that_are_loaded_once_are_welcome(tmp_path):
    loaded = []

    def lazy(seed):
        if not loaded:
            loaded.append(np.random.RandomState(7).randn(48, 2).astype("float32"))
        X = loaded[0]
        return tuple(ArrayBatches(X, X[:, 0] > 0, 16, seed=seed, transform=lambda x: x) for _ in range(2))

    for read in (0, 2):
        found = run(net, lazy, tmp_path, seeds=[0, 1])
        assert found.read == read
        assert [record.status for record in found.records] == ["finished"] * 2


def test_a_failed_run_keeps_what_it_had_and_gives_way_to_the_mended_one(tmp_path):
    class Breaks(list):
        def __iter__(self):
            self.passes = getattr(self, "passes", 0) + 1
            if self.passes > 3:  # the first batch for a shape, two epochs
                raise ValueError("the cable is out")
            return super().__iter__()

    def breaking(seed):
        train, test = clouds(seed)
        return Breaks(train), test

    (record,) = run(net, breaking, tmp_path, epochs=5).records
    assert (record.status, record.failure) == ("failed", "ValueError: the cable is out")
    assert record.epochs >= 1
    assert record.environment["gluon_lr"] == record.made_by != "1.0.0"
    (record,) = run(net, clouds, tmp_path, epochs=5).records
    assert record.status == "finished"


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["n" * 195], "is too long for a file: expected at most 216 bytes"),
        (["名" * 66], "is too long for a file"),
        (["cosine (a)", "cosine  a "], "would have the same files: give them names that differ"),
    ],
)
def test_names_that_no_file_can_have_are_refused_before_anything_is_trained(tmp_path, names, says):
    with pytest.raises(UsageError, match=says):
        run(net, clouds, tmp_path, schedules=dict.fromkeys(names, ConstantScheduler))
    assert not list(tmp_path.rglob("*.json"))


def test_a_hook_without_identity_goes_by_the_name_that_the_refusal_asks_for(tmp_path):
    lock = threading.Lock()
    with pytest.raises(UsageError, match=r"names=\{'unpack': 'mine-v1'\}"):
        run(net, clouds, tmp_path, unpack=lambda batch: batch if lock else None)
    names = {"unpack": "mine-v1"}
    assert run(net, clouds, tmp_path, unpack=lambda batch: batch, names=names).trained == 1
    assert run(net, clouds, tmp_path, unpack=lambda batch: tuple(batch), names=names).read == 1


def test_what_goes_by_a_name_may_differ_and_a_net_may_be_drawn(tmp_path):
    unseeded = run(net, lambda seed: clouds(seed, np.random.RandomState()), tmp_path, names={"data": "v1"})
    assert unseeded.records[0].complete
    drawn = run(lambda: gluon.nn.Dense(np.random.randint(2, 64)), clouds, tmp_path / "drawn", seeds=[1, 2])
    assert [record.complete for record in drawn.records] == [True, True], drawn.records[0].error


def test_a_nets_layers_are_held_against_the_callers(users_file, tmp_path):
    (tmp_path / "users_dropout_nets.py").write_text(
        "from mxnet import gluon\nP = 0.5\n\ndef net():\n    made = gluon.nn.HybridSequential()\n"
        "    made.add(gluon.nn.Dropout(P), gluon.nn.Dense(2))\n    return made\n"
    )
    import users_dropout_nets

    assert run(users_dropout_nets.net, clouds, tmp_path / "a").records[0].complete
    users_dropout_nets.P = 0.25
    (record,) = run(users_dropout_nets.net, clouds, tmp_path / "b").records
    assert "makes another net" in record.failure


def test_texts_stay_out_of_records():
    def connect(user, port, shape):
        return lambda: (user, port, shape)

    assert "hunter2" not in bound(connect("hunter2", 8080, (1, 2)))
    assert "port=8080" in bound(connect("hunter2", 8080, (1, "hunter2")))
