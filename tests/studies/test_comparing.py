"""``compare`` on nets of one's own, the statistics of a grid, and the talk's table of runs."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

from gluon_lr import ConstantScheduler, CosineScheduler, WarmupScheduler, compare
from gluon_lr.analysis.measures import best_epoch, score
from gluon_lr.analysis.selection import at_best_rate, best_rate, cells
from gluon_lr.data import ArrayBatches
from gluon_lr.errors import RecordError, UsageError
from gluon_lr.experiments.record import Record
from gluon_lr.experiments.store import Store
from gluon_lr.report.tables import pairs_table, schedules_table
from gluon_lr.studies.talk import experiment as talk
from gluon_lr.studies.talk.claims import claims as talk_claims

SCHEDULES = {"constant": ConstantScheduler, "cosine": lambda lr: CosineScheduler(24, lr)}


def clouds(seed, parts=2):
    """Three clouds of points: training, (validation,) test."""
    draw = np.random.default_rng((7, seed))
    labels = np.arange(120) % 3
    points = (draw.normal(size=(120, 2)) + 4 * np.eye(3)[labels][:, :2]).astype(np.float32)
    train = ArrayBatches(points[:64], labels[:64], 8, shuffle=True, seed=seed, transform=np.asarray)
    rest = [ArrayBatches(points[a:b], labels[a:b], 20, transform=np.asarray) for a, b in ((64, 92), (92, 120))]
    return (train, *rest[-(parts - 1) :])


def small_net():
    return gluon.nn.Dense(3)


@pytest.mark.slow
def test_schedules_are_compared_on_the_users_own_net(tmp_path):
    found = compare(
        small_net, clouds, SCHEDULES, seeds=[0, 1, 2], lrs=[0.1, 0.3], epochs=3, out=tmp_path, progress=False
    )
    assert len(found.records) == 12
    assert {r.status for r in found.records} == {"finished"}
    first = {r.spec["run"]: r.history["first_loss"][0] for r in found.records if r.spec["seed"] == 1}
    assert len(set(first.values())) == 1, "the same seed starts every arm alike"
    assert {row[0] for row in found.table().rows} == {"constant", "cosine"}
    assert found.pairs().rows[0][-1] in ("better", "worse") or "not resolved" in found.pairs().rows[0][-1]
    assert found.report.read_text().count("data:image/png") == 2
    assert found.plot().axes[0].get_xlabel().startswith("learning rate")
    again = compare(small_net, clouds, SCHEDULES, seeds=[0], lrs=[0.1], epochs=3, out=tmp_path, progress=False)
    assert again.records[0].history == next(
        r.history for r in found.records if r.spec["run"] == "constant@0.1" and r.spec["seed"] == 0
    ), "trained again instead of read"


def test_loaders_as_they_are_and_validation_data(tmp_path):
    loaders = clouds(0, parts=3)
    found = compare(
        small_net, loaders, {"constant": lambda lr: lr}, seeds=[0, 1], epochs=3, out=tmp_path, progress=False,
        optimizer="adam", optimizer_params={"wd": 1e-4},
    )  # fmt: skip
    assert all(len(r.history["valid_acc"]) == 3 for r in found.records)
    assert found.records[0].history["train_loss"] != found.records[1].history["train_loss"]
    assert loaders[0].epoch == 0, "the user's loader was moved"


SIZE = 64


def resized(seed):
    """Data that depend on something outside of the function."""
    train, test = clouds(seed)
    train.images, train.labels = train.images[:SIZE], train.labels[:SIZE]
    return train, test


def test_records_of_other_data_are_refused_though_the_function_reads_the_same(tmp_path, monkeypatch):
    one = {"seeds": [0, 1], "epochs": 1, "out": tmp_path, "progress": False}
    compare(small_net, resized, SCHEDULES, **one)
    compare(small_net, resized, SCHEDULES, **one)
    monkeypatch.setitem(globals(), "SIZE", 48)
    with pytest.raises(RecordError, match=r"with other data: 8 batches of 8.*SIZE=64.* → 6 batches of 8.*fresh=True"):
        compare(small_net, resized, SCHEDULES, **one)
    loaders = clouds(0)
    one["out"] = tmp_path / "loaders"
    compare(small_net, loaders, SCHEDULES, **one)
    loaders[1].images[0] += 1
    with pytest.raises(RecordError, match=r"with other data: 8 batches of 8; 2 batches of 20, contents \w+ → "):
        compare(small_net, loaders, SCHEDULES, **one)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"schedules": {}}, "nothing to compare"),
        ({"seeds": []}, "nothing to compare"),
        ({"lrs": []}, "nothing to compare"),
        ({"epochs": 0}, "epochs is 0: expected a whole number of at least 1"),
        ({"epochs": "three"}, r"epochs is 'three', a str: expected a whole number"),
        ({"epochs": 2.5}, r"epochs is 2\.5: expected a whole number"),
        ({"epochs": True}, r"epochs is True, a bool"),
        ({"seeds": 3}, r"seeds is 3: expected several, such as seeds=range\(3\)"),
        ({"seeds": [0, 0.5]}, r"seeds\[1\] is 0\.5: expected a whole number"),
        ({"seeds": [-1]}, r"seeds\[0\] is -1: expected a whole number of at least 0"),
        ({"seeds": [1, 0, 1]}, "seeds has 1 twice"),
        ({"seeds": [2**32]}, r"seeds\[0\] is 4294967296: expected at most 4294967295"),
        (
            {"lrs": [0.1234567, 0.7654321, 0.1234568, 0.76543212]},
            "lrs has 0.1234567 and 0.1234568: expected rates that differ in their",
        ),
        ({"ctx": "tpu"}, "ctx is 'tpu', a str: expected auto, cpu, gpu or gpu:1"),
        ({"jobs": -1}, "jobs is -1: expected a whole number of at least 1"),
        ({"jobs": "2"}, "jobs is '2', a str: expected a whole number"),
        ({"lrs": 0.1}, r"lrs is 0\.1: expected several"),
        ({"lrs": [-0.1]}, r"lrs\[0\] is -0\.1: expected a finite number"),
        ({"lrs": [float("nan")]}, r"lrs\[0\] is nan"),
        ({"lrs": ["fast"]}, r"lrs\[0\] is 'fast', a str"),
        ({"schedules": {"odd": lambda lr: "fast"}}, "odd"),
    ],
)
def test_bad_input_is_named(tmp_path, arguments, told):
    full = {"schedules": SCHEDULES, "seeds": [0], "out": tmp_path / "none", "progress": False, **arguments}
    with pytest.raises(UsageError, match=told):
        compare(small_net, clouds, **full)
    assert not (tmp_path / "none").exists()


def test_data_of_another_form_are_refused(tmp_path):
    for data in ([1], lambda seed: [1]):
        with pytest.raises(UsageError, match=r"data are of another form \(\[1\]\): expected \(train, test\)"):
            compare(small_net, data, {"c": ConstantScheduler}, seeds=[0], epochs=1, out=tmp_path, progress=False)


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        (
            CosineScheduler(400, 0.3, final_lr=0.1),
            r"schedules['mine'] is CosineScheduler(400, 0.3, final_lr=0.1), a schedule: expected a function of the "
            r"rate; write {'mine': lambda lr: CosineScheduler(400, lr, final_lr=0.1)}",
        ),
        (
            WarmupScheduler(ConstantScheduler(0.3), 5),
            "write {'mine': lambda lr: WarmupScheduler(ConstantScheduler(lr), 5)}",
        ),
        (
            mx.lr_scheduler.FactorScheduler(7, 0.5, base_lr=0.3),
            "is FactorScheduler(7, 0.5, base_lr=0.3), a schedule: expected a function of the rate; "
            "write {'mine': lambda lr: FactorScheduler(7, 0.5, base_lr=lr)}",
        ),
        (0.3, "is 0.3, a number: expected a function of the rate; write {'mine': lambda lr: lr} with lrs=[0.3]"),
        (np.float32(0.5), "is 0.5, a number"),
        ("cosine", "is 'cosine', a str: expected a function of the rate, such as {'mine': lambda lr: CosineSch"),
        (lambda: 0.1, "schedules['mine'] does not take a rate"),
        (CosineScheduler, "is the class CosineScheduler, which takes max_update first: expected a function of the r"),
    ],
)
def test_what_is_no_function_of_the_rate_is_refused_with_the_line_to_write(tmp_path, schedule, told):
    with pytest.raises(UsageError) as caught:
        compare(small_net, clouds, {"mine": schedule}, seeds=[0], epochs=1, out=tmp_path / "none", progress=False)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "none").exists()


def test_numbers_of_numpy_and_mxnet(tmp_path):
    one = {"out": tmp_path, "progress": False}
    found = compare(
        small_net, clouds, {"constant": ConstantScheduler}, seeds=np.arange(2), lrs=np.array([0.25]),
        epochs=np.int64(1), optimizer_params={"momentum": np.float64(0.5)}, **one,
    )  # fmt: skip
    again = compare(
        small_net, clouds, {"constant": lambda lr: lr}, seeds=[0, mx.nd.array([1])], lrs=[mx.nd.array([0.25])],
        epochs=1.0, optimizer_params={"momentum": 0.5}, **one,
    )  # fmt: skip
    assert (found.read, found.trained, again.read, again.trained) == (0, 2, 2, 0)
    assert [r.history for r in again.records] == [r.history for r in found.records]


def _cell(schedule, rate, seed, test, valid=None, status="finished"):
    history = {
        "test_acc": test,
        "lr_mean": [rate] * len(test),
        "train_loss": test,
        **({"valid_acc": valid} if valid else {}),
    }
    spec = {"run": talk.run_name(schedule, rate), "seed": seed, "limit": None,
            "settings": {"schedule": schedule, "rate": rate}}  # fmt: skip
    return Record(spec, status, history, {}, {}, 1.0)


def test_an_epoch_and_a_rate_are_chosen_by_validation_not_by_test_data():
    record = _cell("a", 0.1, 0, test=[0.5, 0.9, 0.6], valid=[0.4, 0.5, 0.7])
    assert (best_epoch(record), score(record)) == (2, 0.6)
    assert best_epoch(_cell("a", 0.1, 0, test=[0.5, 0.9, 0.6])) == 1
    worse_on_validation = _cell("a", 0.2, 0, test=[0.99], valid=[0.6])
    assert best_rate(cells([record, worse_on_validation])["a"]) == 0.1


def test_pairs_are_tested_over_common_seeds_at_the_best_rates():
    records = [_cell("a", 0.1, s, [0.8 + 0.001 * s]) for s in range(4)]
    records += [_cell("a", 0.01, s, [0.2]) for s in range(4)]
    records += [_cell("b", 0.1, s, [0.7 + 0.0012 * s], status="collapsed") for s in range(4)]
    assert at_best_rate(records)["a"] == {s: 0.8 + 0.001 * s for s in range(4)}
    assert [row[-1] for row in pairs_table(records, "").rows] == ["better"]
    assert [row[0] for row in schedules_table(records, "").rows] == ["a", "b"]
    assert schedules_table(records, "").rows[1][-1] == "4 of 4"


def test_rates_beyond_the_talks_own_count_where_a_schedule_is_at_its_best_and_nowhere_else():
    records = [
        _cell(name, rate, seed, [0.4, 0.5 + 0.01 * i + 0.001 * seed])
        for i, name in enumerate(talk.GRID) for rate in talk.GRID[name] for seed in range(3)
    ]  # fmt: skip
    beyond = [_cell("one-cycle", 0.1, s, [0.4, 0.9 + 0.002 * s]) for s in range(3)]
    before, after = ({c.text: c.differences for c in talk_claims(r)} for r in (records, [*records, *beyond]))
    moved = {text for text in before if before[text] != after[text]}
    assert moved == {"One-cycle is the best of all", "No schedule is best of all"}
    assert at_best_rate([*records, *beyond])["one-cycle"][0] == 0.9


def test_schedules_are_compared_over_the_same_rates():
    records = [
        _cell(name, rate, seed, [0.4, 0.9 - 50 * rate + 0.001 * seed])
        for name in ("constant", "constant-warmup") for rate in (1e-5, 1e-4, 1e-3, 1e-2) for seed in range(3)
    ]  # fmt: skip
    claim = "Warmup makes constant slightly better"
    whole = {c.text: c.differences for c in talk_claims(records)}[claim]
    assert whole == pytest.approx([0.0] * 3)
    lacking = [r for r in records if r is not records[-1]]
    assert len({c.text: c.differences for c in talk_claims(lacking)}[claim]) == 2, (
        "a seed that lacks a rate is left out"
    )
    none = records[:-3]
    assert {c.text: c.differences for c in talk_claims(none)}[claim] == []


def test_the_talks_grid_and_clock():
    specs = talk.specifications(talk.SCHEDULES, [0, 1], talk.PRESETS["small"])
    assert len(specs) == len({s.key for s in specs}) == 2 * (31 + 4), (
        "the talk's own, and four beyond its greatest rate"
    )
    updates = 1200
    warm = talk.talk_scheduler("constant-warmup", 1e-3, updates)
    assert warm(72) == 1e-3
    assert warm(36) == pytest.approx(5e-4)
    step = talk.talk_scheduler("step", 1.0, updates)
    assert step.values(121)[[0, 59, 60, 120]] == pytest.approx([1, 1, 0.9, 0.81])
    restarts = talk.talk_scheduler("warm-restarts-50", talk.RESTART_RATE, updates)
    assert restarts(1) == restarts(601) == talk.RESTART_RATE
    assert restarts(600) == pytest.approx(talk.FLOOR, rel=0.01)
    assert talk.talk_scheduler("cosine", 1e-2, updates)(updates) == pytest.approx(talk.FLOOR)
    with pytest.raises(UsageError, match="one-cycle"):
        talk.talk_scheduler("two-cycle", 1e-2, updates)


@pytest.mark.slow
def test_the_papers_preset_has_the_published_size_and_trains():
    from dataclasses import replace

    import mxnet as mx

    from gluon_lr.update import update

    few = replace(talk.PRESETS["paper"], images=64, validation=8, test=8)
    (spec,) = talk.specifications(["warm-restarts-10"], [0], few)
    parts = talk.build(spec, mx.cpu())
    parameters = parts.net.collect_params()
    count = sum(int(np.prod(p.shape)) for p in parameters.values())
    assert count == pytest.approx(12.5e6, rel=0.01)
    before = parts.net.head.weight.data().asnumpy()
    (shard,) = update(parts.net, parts.loss, parts.trainer, next(iter(parts.train_iter)), [mx.cpu()])
    assert np.isfinite(shard.losses.asnumpy()).all()
    assert (parts.net.head.weight.data().asnumpy() != before).any()


@pytest.mark.slow
def test_the_talks_command_end_to_end(tmp_path):
    from conftest import run_module

    done = run_module(
        "gluon_lr", "talk", "--quick", "--only", "step,warm-restarts-20", "--epochs", "2", "--out", tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert len(Store(tmp_path / "quick").records()) == 5
    page = (tmp_path / "quick" / "report.html").read_text()
    assert "QUICK RUN" in page
    assert page.count("data:image/png") == 3
