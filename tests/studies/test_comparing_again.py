"""A second ``compare`` reads its own records, never another run's, and says what it did."""

import json
import logging
import os
import subprocess
import sys

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

from gluon_lr import ConstantScheduler, CosineScheduler, FunctionScheduler, WarmupScheduler, compare
from gluon_lr.data import ArrayBatches
from gluon_lr.errors import RecordError, UsageError
from gluon_lr.experiments.record import Record
from gluon_lr.experiments.spec import RunSpec
from gluon_lr.experiments.store import Store
from gluon_lr.studies.compare.identified import seeded

draw = np.random.RandomState(0)
POINTS = draw.randn(48, 2).astype("float32")
SIDES = (POINTS[:, 0] > 0).astype("float32")
WIDTH = 3


def loaders(seed):
    return [gluon.data.DataLoader(gluon.data.ArrayDataset(POINTS, SIDES), 16) for _ in range(2)]


def net():
    return gluon.nn.Dense(2)


def wide_net():
    layers = gluon.nn.Sequential()
    layers.add(gluon.nn.Dense(WIDTH, activation="relu"), gluon.nn.Dense(2))
    return layers


def steady(lr):
    return lambda t: lr


def falling(lr):
    return lambda t: lr / (1 + t) ** 2


def run(out, schedule=ConstantScheduler, make_net=net, data=loaders, **others):
    settings = {"seeds": [0], "epochs": 1, "lrs": [0.5], "jobs": 1, "progress": False, **others}
    return compare(make_net, data, {"mine": schedule}, out=out, **settings)


@pytest.mark.slow
def test_a_run_is_read_where_it_is_the_same_and_refused_by_name_where_it_is_not(tmp_path, monkeypatch, caplog):
    first = run(tmp_path, steady, wide_net)
    history = first.records[0].history
    assert (first.read, first.trained) == (0, 1)
    caplog.set_level(logging.INFO, "gluon_lr")
    same = run(tmp_path, lambda rate: steady(rate), wide_net)
    assert (same.read, same.trained) == (1, 0)
    assert same.records[0].history == history
    assert f"1 of 1 runs read from {tmp_path}, 0 trained" in caplog.text
    assert repr(same).startswith(f"Comparison: 1 of 1 runs read from {tmp_path}, 0 trained")
    assert "| mine | 0.5 |" in repr(same)

    refused = {
        r"another schedule: FunctionScheduler.*made by steady → .*made by falling": {"schedule": falling},
        r"another schedule, though both read FunctionScheduler": {"schedule": steady_by_half},
        r"another net: Sequential.*Dense\(None -> 3, Activation\(relu\)\).*made by wide_net \(WIDTH=3\) → "
        r"Dense\(None -> 2, linear\), made by net": {"make_net": net},
        r"other data: 3 batches of 16.* → 2 batches of 24": {"data": larger_batches},
        r"another loss: SoftmaxCrossEntropyLoss\(.*\) → L2Loss": {"loss": gluon.loss.L2Loss()},
        r"another loss, though both read Softmax": {"loss": gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=False)},
        r"another optimizer: sgd → adam": {"optimizer": "adam"},
        r"other optimizer_params: .* → \{'momentum': 0\.9\}": {"optimizer_params": {"momentum": 0.9}},
    }
    for told, change in refused.items():
        with pytest.raises(RecordError, match=f"was made with {told}") as caught:
            run(tmp_path, **{"schedule": steady, "make_net": wide_net, **change})
        assert "fresh=True" in str(caught.value)
        assert "\n" not in str(caught.value)
    monkeypatch.setitem(globals(), "WIDTH", 4)
    with pytest.raises(RecordError, match=r"WIDTH=3\) → .*Dense\(None -> 4.*WIDTH=4\)"):
        run(tmp_path, steady, wide_net)


def steady_by_half(lr):
    return steady(lr / 2)


steady_by_half.__qualname__ = "steady"


def larger_batches(seed):
    return [gluon.data.DataLoader(gluon.data.ArrayDataset(POINTS, SIDES), 24) for _ in range(2)]


def two_lambdas():
    return [lambda lr: FunctionScheduler(lambda t: lr), lambda lr: FunctionScheduler(lambda t: lr / (1 + t))]


@pytest.mark.slow
def test_what_is_read_was_trained_with_the_schedule_that_is_asked_for(tmp_path):
    first, second = two_lambdas()
    assert run(tmp_path, first).records[0].history["lr_last"] == [0.5]
    with pytest.raises(RecordError, match="another schedule"):
        run(tmp_path, second)
    again = run(tmp_path, second, fresh=True)
    assert (again.read, again.trained) == (0, 1)
    assert again.records[0].history["lr_last"] == [0.5 / 4]
    assert run(tmp_path, second).read == 1


def test_files_that_a_net_is_loaded_from_count(tmp_path):
    where = str(tmp_path / "begun.params")

    def begun():
        layer = gluon.nn.Dense(2, in_units=2)
        layer.load_parameters(where)
        return layer

    def save(value):
        layer = gluon.nn.Dense(2, in_units=2)
        layer.initialize(mx.init.Constant(value))
        layer.save_parameters(where)

    save(0.1)
    run(tmp_path / "out", make_net=begun)
    save(0.1)
    assert run(tmp_path / "out", make_net=begun).read == 1
    save(0.2)
    with pytest.raises(RecordError, match=r"another net, though both read .*an initial value differs"):
        run(tmp_path / "out", make_net=begun)


class Stream:
    """Batches of the user's own, drawn again at every iteration from a file and a generator of its own."""

    def __init__(self, path):
        self.path, self.random, self.served = path, np.random.RandomState(1), 0

    def __len__(self):
        return 2

    def __iter__(self):
        points = np.load(self.path)
        for _ in range(2):
            self.served += 1
            chosen = self.random.permutation(len(points))[:8]
            yield mx.nd.array(points[chosen]), mx.nd.array(points[chosen, 0] > 0)


def test_batches_of_the_users_own_are_known_by_the_first_of_them_and_not_moved(tmp_path):
    np.save(tmp_path / "points.npy", POINTS)
    given = [Stream(str(tmp_path / "points.npy")) for _ in range(2)]
    run(tmp_path / "out", data=given)
    assert [stream.served for stream in given] == [0, 0]
    assert run(tmp_path / "out", data=given).read == 1
    np.save(tmp_path / "points.npy", POINTS + 1)
    with pytest.raises(RecordError, match="with other data: 2 batches; 2 batches, contents"):
        run(tmp_path / "out", data=given)


def test_what_cannot_be_identified_is_refused_until_it_is_named(tmp_path):
    def from_an_open_file(seed):
        return (handle.name is None) or loaders(seed)

    with open(os.devnull) as handle:
        with pytest.raises(
            UsageError, match=r"data → handle is a TextIOWrapper.*names=\{'data': 'mine-v1'\}"
        ) as caught:
            run(tmp_path, data=from_an_open_file)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()

    class Guarded:
        def __init__(self, batches):
            self.batches = batches

        def __iter__(self):
            return iter(self.batches)

        def __reduce__(self):
            raise TypeError("has a lock")

    with pytest.raises(UsageError, match=r"is a Guarded, which nothing tells from another one"):
        run(tmp_path, data=lambda seed: [Guarded(batches) for batches in loaders(seed)])
    named = {"data": lambda seed: [Guarded(batches) for batches in loaders(seed)], "names": {"data": "points-v1"}}
    assert run(tmp_path, **named).trained == 1
    assert run(tmp_path, **named).read == 1
    with pytest.raises(RecordError, match="with other data: named 'points-v1' → named 'points-v2'"):
        run(tmp_path, **{**named, "names": {"data": "points-v2"}})


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ({"dta": "v1"}, "names has 'dta': expected one of 'net', 'data', 'loss', 'unpack', 'batch_metric', 'mine'"),
        ({"data": 2}, r"names\['data'\] is 2 \(int\): expected text"),
    ],
)
def test_bad_names_are_refused(tmp_path, names, told):
    with pytest.raises(UsageError, match=told):
        run(tmp_path, names=names)


def test_a_schedule_that_is_named_is_not_looked_into(tmp_path):
    assert run(tmp_path, steady, names={"mine": "my-schedule"}).trained == 1
    assert run(tmp_path, falling, names={"mine": "my-schedule"}).read == 1


SCRIPT = """
import sys
import numpy as np
from gluoncv.utils import LRScheduler, LRSequential
from mxnet import gluon
from gluon_lr import ConstantScheduler, FunctionScheduler, WarmupScheduler, compare

SETTINGS = {"units": 2, "names": {"some", "words", "in", "a", "set"}}
draw = np.random.RandomState(0)
POINTS = draw.randn(48, 2).astype("float32")


class Decay:
    def __init__(self, lr):
        self.lr = lr

    def __call__(self, t):
        return self.lr / (1 + t)


def make_net():
    return gluon.nn.Dense(SETTINGS["units"] + 0 * len(SETTINGS["names"]))


def data(seed):
    return [gluon.data.DataLoader(gluon.data.ArrayDataset(POINTS, (POINTS[:, 0] > 0).astype("f4")), 16)] * 2


def sequence(lr):
    return LRSequential([LRScheduler("linear", 0, lr, niters=2), LRScheduler("cosine", lr, 0, niters=6)])


if __name__ == "__main__":
    found = compare(
        make_net, data,
        {"a": sequence, "b": lambda lr: FunctionScheduler(lambda t: lr / (1 + t)), "c": Decay, "d": lambda lr: lr,
         "e": lambda lr: WarmupScheduler(lambda t: lr, 2)},
        seeds=[0], epochs=1, out=sys.argv[1], progress=False,
    )
    print(found.read, found.trained, [record.status for record in found.records])
"""


@pytest.mark.slow
def test_the_next_process_knows_the_records_wherever_it_runs(tmp_path):
    script = tmp_path / "study.py"
    script.write_text(SCRIPT)
    (tmp_path / "elsewhere").mkdir()

    def start(hash_seed, cwd):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", str(script), str(tmp_path / "out")],
            capture_output=True, text=True, cwd=cwd, check=False, env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )  # fmt: skip
        return done.stdout.strip(), done.stderr

    told, errors = start("1", tmp_path)
    assert told == f"0 5 {['finished'] * 5}", errors
    told, errors = start("2", tmp_path / "elsewhere")
    assert told == f"5 0 {['finished'] * 5}", errors
    script.write_text("# a line more\n" + SCRIPT)
    told, errors = start("3", tmp_path)
    assert told.startswith("5 0"), errors
    script.write_text(SCRIPT.replace("return self.lr / (1 + t)", "return self.lr / (2 + t)"))
    told, errors = start("3", tmp_path)
    assert "c_0.1.per-update.1ep.seed0.json: was made with another schedule" in errors


@pytest.mark.slow
def test_only_what_is_missing_is_trained_and_a_failed_run_is_said(tmp_path, caplog):
    caplog.set_level(logging.INFO, "gluon_lr")
    run(tmp_path)
    more = run(tmp_path, seeds=[0, 1, 2])
    assert (more.read, more.trained) == (1, 2)
    assert f"1 of 3 runs read from {tmp_path}, 2 trained" in caplog.text
    wrong = run(tmp_path / "wrong", loss=lambda output, label: 1 / 0)
    assert (wrong.read, wrong.trained) == (0, 1)
    assert "0 of 1 runs read" in repr(wrong)
    assert "1 trained, 1 of them failed" in repr(wrong)


def test_records_of_an_earlier_version_are_refused_as_such(tmp_path):
    from gluon_lr.experiments.record import read_record, write_record

    path = run(tmp_path).records[0].path or next((tmp_path / "runs").glob("*.json"))
    record = read_record(next((tmp_path / "runs").glob("*.json")))
    record.spec["settings"].update(net="net 0123", data="loaders", loss="SoftmaxCrossEntropyLoss")
    write_record(path or record.path, record)
    with pytest.raises(RecordError, match="with an earlier gluon_lr"):
        run(tmp_path)


def test_generators_are_left_as_they_were():
    mx.random.seed(3)
    np.random.seed(3)
    with seeded(0):
        inside = np.random.rand(), mx.nd.random.uniform().asscalar()
    after = np.random.rand(), mx.nd.random.uniform().asscalar()
    mx.random.seed(3)
    np.random.seed(3)
    expected = np.random.rand()
    with seeded(1):
        pass
    assert after == (expected, mx.nd.random.uniform().asscalar())
    with seeded(0):
        assert inside == (np.random.rand(), mx.nd.random.uniform().asscalar())


def test_descriptions_are_recorded_beside_the_digests(tmp_path):
    record = run(tmp_path, lambda lr: CosineScheduler(3, lr)).records[0]
    stored = json.loads(next((tmp_path / "runs").glob("*.json")).read_text())
    assert stored["data"]["described"]["scheduler"].startswith("CosineScheduler(max_update=3, base_lr=0.5")
    assert stored["data"]["described"]["net"] == "Dense(None -> 2, linear), made by net"
    assert record.spec["settings"]["data"].keys() == {"contents", "function"}


def test_arrays_are_known_by_their_contents_and_epochs_do_not_count(tmp_path):
    def batches(points):
        return [ArrayBatches(points, SIDES, 16, shuffle=True, transform=np.asarray) for _ in range(2)]

    given = batches(POINTS)
    run(tmp_path, data=given)
    list(given[0])
    list(given[1])
    assert run(tmp_path, data=given).read == 1
    assert run(tmp_path, data=batches(POINTS.copy())).read == 1
    other = POINTS.copy()
    other[-1, -1] += 1
    with pytest.raises(RecordError, match="other data"):
        run(tmp_path, data=batches(other))


def test_a_warmup_of_another_function_is_another_schedule(tmp_path):
    run(tmp_path, lambda lr: WarmupScheduler(steady(lr), 2))
    with pytest.raises(RecordError, match="another schedule"):
        run(tmp_path, lambda lr: WarmupScheduler(falling(lr), 2))


@pytest.mark.parametrize("name", ["", "_mine", "a − b", "$x$", "a|b", "<i>", "a\nb", "=1"])
def test_a_name_that_tables_and_pictures_cannot_show_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="expected a letter or digit first"):
        compare(net, loaders, {name: ConstantScheduler}, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_folder_of_another_study_stays_as_it_is(tmp_path):
    spec = RunSpec("chapter", "constant", 0, 1)
    Store(tmp_path).write(spec, Record(spec.as_dict(), "finished", {"train_loss": [1.0]}, {}, {}, 1.0))
    with pytest.raises(UsageError, match="holds records of the study chapter, not of compare"):
        run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
