"""Which records belong together, and which are compared with which."""

import math

import pytest

from gluon_lr.analysis.comparisons import compare_collapses, compare_runs, compare_schedules, ranking_words
from gluon_lr.analysis.measures import score_of
from gluon_lr.analysis.selection import at_best_rate, best_rate, by_run, cells, last_by_seed, of_one_size
from gluon_lr.analysis.statistics import compare_differences
from gluon_lr.experiments.record import Record


def record(run="a", seed=0, acc=(0.5,), status="finished", epochs=3, limit=None, rate=0.1, **settings):
    settings = {"schedule": run, "rate": rate, **settings}
    spec = {"run": run, "seed": seed, "epochs": epochs, "limit": limit, "settings": settings}
    return Record(spec, status, {"train_loss": [1.0] * len(acc), "test_acc": list(acc)}, {}, {}, 1.0)


def test_records_of_one_size_are_all_kept_without_a_note():
    records = [record(seed=seed) for seed in range(3)]
    assert of_one_size(records) == (records, [])
    assert of_one_size([]) == ([], [])


def test_the_size_that_most_records_have_is_kept_and_each_other_one_is_told():
    kept = [record(seed=seed) for seed in range(3)]
    found, notes = of_one_size([record(epochs=9), record(seed=8, epochs=9), *kept, record(limit=64)])
    assert found == kept
    assert [note[: note.index(", which")] for note in notes] == [
        "left out: 2 records of 9 epochs",
        "left out: 1 record of 3 epochs and 64 images",
    ]
    assert all("with the 3 others" in note for note in notes)


def test_of_two_sizes_with_as_many_records_the_longer_trainings_are_kept():
    for order in (1, -1):
        (kept,), notes = of_one_size([record(epochs=3), record(epochs=9)][::order])
        assert kept.spec["epochs"] == 9
        assert len(notes) == 1


def test_records_of_another_preset_are_left_out_as_such():
    quick, full = {"name": "quick"}, {"name": "full"}
    found, notes = of_one_size([record(preset=full), record(seed=1, preset=full), record(preset=quick)])
    assert [r.spec["settings"]["preset"] for r in found] == [full, full]
    assert notes[0].startswith("left out: 1 record of 3 epochs, of another preset, which")


def test_runs_are_grouped_in_the_order_of_their_first_records():
    records = [record("b"), record("a"), record("b", seed=1)]
    assert by_run(records) == {"b": [records[0], records[2]], "a": [records[1]]}
    assert list(by_run(records)) == ["b", "a"]


def test_the_last_values_are_those_of_finished_trainings_of_that_run():
    records = [record(seed=0, acc=(0.5, 0.7)), record(seed=1, acc=(0.9,), status="collapsed"), record("b", seed=2)]
    records.append(record(seed=3, acc=(0.4,), status="running"))
    assert last_by_seed(records, "a", "test_acc") == {0: 0.7}


def test_cells_are_sorted_by_rate_and_hold_collapsed_trainings_too():
    records = [record(rate=0.3), record(rate=0.1), record(rate=0.1, seed=1, status="collapsed")]
    records.append(record(rate=0.1, seed=2, status="running"))
    found = cells(records)
    assert list(found["a"]) == [0.1, 0.3]
    assert found == {"a": {0.1: {0: records[1], 1: records[2]}, 0.3: {0: records[0]}}}


def test_the_best_rate_is_one_with_the_most_seeds():
    records = [record(rate=0.1, seed=seed, acc=(0.5 + 0.1 * seed,)) for seed in range(2)]
    records.append(record(rate=0.2, acc=(0.9,)))
    assert best_rate(cells(records)["a"]) == 0.1, "one seed alone may have been lucky"
    records.append(record(rate=0.2, seed=1, acc=(0.4,)))
    assert best_rate(cells(records)["a"]) == 0.2
    assert at_best_rate(records) == {"a": {0: 0.9, 1: 0.4}}


@pytest.mark.parametrize("name", ["test_acc", "train_loss"])
@pytest.mark.parametrize("order", [1, -1])
def test_a_rate_with_a_training_that_has_no_finite_number_comes_last(name, order):
    lost = [record(rate=0.1, seed=seed) for seed in range(2)]
    lost[1].history[name][:] = [math.nan]
    good = [record(rate=0.2, seed=seed, acc=(0.1,)) for seed in range(2)]
    for training in good:
        training.history["train_loss"][:] = [9.0]
    assert best_rate(cells([*lost, *good][::order])["a"], score_of(name)) == 0.2


def test_every_two_schedules_are_compared_once_with_the_better_first():
    level = {"a": 0.5, "b": 0.9, "c": 0.7}
    records = [record(run, seed, (mean + 0.01 * seed * ord(run),)) for run, mean in level.items() for seed in range(3)]
    found = compare_schedules(records)
    assert [test.name for test in found] == ["b − c", "b − a", "c − a"]
    assert all(test.difference.mean > 0 for test in found)
    assert [test.name for test in compare_schedules(records, score_of("test_acc", False))] == [
        "a − c",
        "a − b",
        "c − b",
    ]


def test_the_ranking_in_words_puts_schedules_with_one_mean_side_by_side_in_either_direction():
    finals = {"best": (0.9, 0.91), "worst": (0.5, 0.52), "cosine": (0.7, 0.8), "alike": (0.7, 0.8)}
    records = [record(name, seed, [acc]) for name, accs in finals.items() for seed, acc in enumerate(accs)]
    assert ranking_words(records).startswith("means, the best first: best, cosine = alike, worst; ")
    least = ranking_words(records, score_of("test_acc", False))
    assert least.startswith("means, the best first: worst, cosine = alike, best; ")


def test_what_beats_what_is_said_by_common_seeds_even_where_the_means_of_all_seeds_say_otherwise():
    losses = {"a": (0.520, 0.511, 0.502, 0.10), "b": (0.420, 0.410, 0.400, math.nan)}
    by = score_of(lambda history: history["test_acc"][0], larger_is_better=False)
    records = [record(name, seed, [loss]) for name, of_seeds in losses.items() for seed, loss in enumerate(of_seeds)]
    assert ranking_words(records, by) == "means, the best first: a, b; b beats a"


def test_a_schedule_without_a_finite_number_is_compared_last_and_shows_nothing():
    by = score_of(lambda history: history["test_acc"][0], larger_is_better=False)
    records = [record("lost", seed, (math.inf,)) for seed in range(2)]
    records += [record("good", seed, (0.5 + seed,)) for seed in range(2)]
    (found,) = compare_schedules(records, by)
    assert found.name == "good − lost"
    assert (found.difference.n, found.p) == (0, 1.0)


def test_runs_are_compared_as_they_are_paired_and_corrected_together():
    values = {"a": (0.1, 0.2, 0.4), "b": (0.1, 0.1, 0.2), "c": (0.5, 0.9, 0.7)}
    records = [record(run, seed, (value,)) for run, numbers in values.items() for seed, value in enumerate(numbers)]
    first, second = compare_runs(records, [("a", "b"), ("c", "a")], "test_acc")
    assert (first.name, second.name) == ("a − b", "c − a")
    assert first.difference.mean == pytest.approx(0.1)
    p = [compare_differences("", [x - y for x, y in zip(values[f], values[s])]).p for f, s in ("ab", "ca")]
    assert [first.p, second.p] == pytest.approx(p)
    assert min(first.p_corrected, second.p_corrected) == pytest.approx(2 * min(p))


def test_collapses_are_counted_among_complete_trainings_and_compared_where_there_is_another_run():
    records = [record("a", seed, status="collapsed") for seed in range(4)] + [record("b", seed) for seed in range(4)]
    records += [record("a", 4), record("b", 9, status="running"), record("b", 8, status="failed")]
    found = {name: (lost, of, p) for name, lost, of, p in compare_collapses(records, "b")}
    assert found["b"] == (0, 4, None)
    assert found["a"][:2] == (4, 5)
    assert found["a"][2] == pytest.approx(6 / 126)
    assert all(p is None for *_, p in compare_collapses(records, "c")), "there is nothing to compare with"


def test_a_training_that_failed_costs_its_rate_nothing():
    records = [record(rate=0.1, seed=seed, acc=(0.9 - 0.1 * seed,)) for seed in range(4)]
    records += [record(rate=0.001, seed=seed, acc=(0.3,)) for seed in range(4)]
    records[3] = record(rate=0.1, seed=3, acc=(0.6,), status="failed")
    assert best_rate(cells(records)["a"]) == 0.1
    assert at_best_rate(records) == {"a": {0: 0.9, 1: 0.8, 2: pytest.approx(0.7)}}
    easy = [record(rate=0.01, seed=seed, acc=(0.85 - 0.11 * seed,)) for seed in range(2)]
    assert best_rate(cells([*records[:3], *easy])["a"]) == 0.1, "on the seeds that both have"


def test_a_rate_with_few_seeds_does_not_decide_between_two_with_many():
    records = [record(rate=0.1, seed=seed, acc=(0.9 if seed < 2 else 0.1,)) for seed in range(4)]
    records += [record(rate=0.01, seed=seed, acc=(0.8,)) for seed in range(4)]
    records += [record(rate=0.001, seed=seed, acc=(0.3,)) for seed in range(2)]
    assert best_rate(cells(records)["a"]) == 0.01


def test_a_number_that_is_none_counts_though_its_seed_is_not_common():
    records = [record(rate=0.1, seed=seed, acc=(0.9 if seed < 3 else math.nan,)) for seed in range(4)]
    records += [record(rate=0.01, seed=seed, acc=(0.8,)) for seed in range(3)]
    assert best_rate(cells(records)["a"]) == 0.01


def test_failed_trainings_do_not_decide_which_size_is_shown():
    kept = [record(epochs=9, seed=seed) for seed in range(2)]
    failed = [record(epochs=5, seed=seed, status="failed") for seed in range(3)]
    found, (note,) = of_one_size([*failed, *kept])
    assert found == kept
    assert note.startswith("left out: 3 records of 5 epochs")
