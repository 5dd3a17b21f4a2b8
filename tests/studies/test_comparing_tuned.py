"""``compare(lrs="tune")``: a rate of its own for each schedule, chosen without the test data."""

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mxnet import gluon

from gluon_lr import ConstantScheduler, CosineScheduler, compare
from gluon_lr.data import ArrayBatches
from gluon_lr.errors import UsageError
from gluon_lr.finder import TuneResult
from gluon_lr.studies.compare.tuned import divided

UPDATES = 4 * 80
SCHEDULES = {"constant": ConstantScheduler, "cosine": lambda lr: CosineScheduler(UPDATES, lr)}


def net():
    made = gluon.nn.HybridSequential()
    made.add(gluon.nn.Dense(8, activation="relu"), gluon.nn.Dense(3))
    return made


def points(seed, wrong=False):
    draw = np.random.default_rng((3, seed))
    labels = np.arange(704) % 3
    where = (draw.normal(size=(704, 2)) + 2 * np.eye(3)[labels][:, :2]).astype(np.float32)
    test_labels = (labels[640:] + 1) % 3 if wrong else labels[640:]
    return (
        ArrayBatches(where[:640], labels[:640], 8, shuffle=True, seed=seed, transform=np.asarray),
        ArrayBatches(where[640:], test_labels, 64, transform=np.asarray),
    )


def found(data, out, **arguments):
    return compare(net, data, SCHEDULES, lrs="tune", seeds=[0, 1], epochs=4, out=out, progress=False, **arguments)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned")
    return found(points, folder), folder


def test_each_schedule_is_trained_at_the_rate_that_trials_found_for_it(first):
    comparison, folder = first
    assert set(comparison.tuned) == set(SCHEDULES)
    for name, result in comparison.tuned.items():
        rates = {r.spec["settings"]["rate"] for r in comparison.records if r.spec["settings"]["schedule"] == name}
        assert rates == {float(f"{result.lr:.3g}")}
        assert len(result.trials) >= 3
        assert result.updates_spent <= UPDATES, "a search costs no more than one training"
    assert len(list((folder / "tuned").glob("*.json"))) == 2
    assert {r.status for r in comparison.records} == {"finished"}


def test_a_second_call_reads_the_rates_and_the_runs(first):
    comparison, folder = first
    before = {path: path.stat().st_mtime_ns for path in (folder / "tuned").glob("*.json")}
    again = found(points, folder)
    assert (again.read, again.trained) == (4, 0)
    assert again.tuned == comparison.tuned
    assert {path: path.stat().st_mtime_ns for path in (folder / "tuned").glob("*.json")} == before


@pytest.mark.slow
def test_fresh_tunes_and_trains_again(first):
    comparison, folder = first
    before = {path: path.stat().st_mtime_ns for path in (folder / "tuned").glob("*.json")}
    again = found(points, folder, fresh=True)
    assert (again.read, again.trained, again.tuned) == (0, 4, comparison.tuned)
    after = {path: path.stat().st_mtime_ns for path in (folder / "tuned").glob("*.json")}
    assert all(after[path] > before[path] for path in before)


def test_a_damaged_file_is_made_again(first, caplog):
    comparison, folder = first
    path = sorted((folder / "tuned").glob("*.json"))[0]
    path.write_text("{}", encoding="utf-8")
    assert found(points, folder).tuned == comparison.tuned
    assert "tuning again" in caplog.text
    assert TuneResult.from_json(path) in comparison.tuned.values()


@pytest.mark.slow
def test_the_rates_do_not_depend_on_the_test_data(first, tmp_path):
    comparison, _ = first
    wrong = found(lambda seed: points(seed, wrong=True), tmp_path)
    assert {n: r.lr for n, r in wrong.tuned.items()} == {n: r.lr for n, r in comparison.tuned.items()}


@pytest.mark.slow
def test_validation_data_judge_where_there_are_some(first, tmp_path):
    def with_validation(seed):
        train, test = points(seed)
        return train, ArrayBatches(train.images[:64], (train.labels[:64] + 1) % 3, 64, transform=np.asarray), test

    comparison, _ = first
    other = found(with_validation, tmp_path)
    scores = [trial.score for result in other.tuned.values() for trial in result.trials]
    assert min(scores) > max(t.score for r in comparison.tuned.values() for t in r.trials if t.outcome == "finished")


def test_batches_that_cannot_be_divided_are_refused_with_the_remedy(tmp_path):
    def loaders(seed):
        train, test = points(seed)
        dataset = gluon.data.ArrayDataset(train.images, train.labels.astype(np.float32))
        return gluon.data.DataLoader(dataset, 8), test

    with pytest.raises(UsageError, match=r"return \(train, validation, test\) from your data"):
        found(loaders, tmp_path)


def test_too_short_trainings_say_what_to_give_instead(tmp_path):
    def few(seed):
        train, test = points(seed)
        return ArrayBatches(train.images, train.labels, 64, transform=np.asarray), test

    with pytest.raises(UsageError, match=r"no rate for the schedule 'constant': .*Give lrs=\[…\] instead"):
        compare(
            net, few, {"constant": ConstantScheduler}, lrs="tune", seeds=[0], epochs=1, out=tmp_path, progress=False
        )
    with pytest.raises(UsageError, match="lrs"):
        compare(net, points, SCHEDULES, lrs="tuned", seeds=[0], out=tmp_path, progress=False)


@given(st.integers(2, 300), st.booleans(), st.integers(0, 9))
def test_dividing_loses_nothing_and_shares_nothing(size, shuffle, seed):
    batches = ArrayBatches(np.arange(size), np.arange(size), 7, shuffle=shuffle, seed=seed, transform=np.asarray)
    train, held_back = divided(batches)
    assert sorted([*train.images, *held_back.images]) == list(range(size))
    assert len(held_back.images) == max(1, size // 10)
    assert (train.images == train.labels).all()
    assert len(batches.images) == size, "the original is not touched"


def test_loaders_without_a_length_are_counted(tmp_path):
    def iterators(seed):
        train, test = points(seed)
        X, y = train.images, train.labels.astype(np.float32)
        parts = (X[:480], y[:480]), (X[480:], y[480:]), (test.images, test.labels.astype(np.float32))
        return tuple(mx.io.NDArrayIter(a, b, 8, last_batch_handle="discard") for a, b in parts)

    one = {"constant": ConstantScheduler}
    done = compare(net, iterators, one, lrs="tune", seeds=[0], epochs=5, out=tmp_path, progress=False)
    assert done.tuned["constant"].updates == 5 * 60
    assert done.records[0].complete, done.records[0].error
