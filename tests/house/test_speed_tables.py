"""The benchmark's tables, of figures made up: which peer is the best, and what a ratio is of."""

import runpy
from pathlib import Path

import pytest

SPEED = Path(__file__).resolve().parents[2] / "benchmarks" / "speed"
STUDIES = ("lenet", "mlp-sgd", "mlp-adam", "vit", "resnet")
ONE, TWO = "one process, two threads", "two processes, one thread"


@pytest.fixture
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(SPEED))
    return {name: runpy.run_path(str(SPEED / f"{name}.py")) for name in ("tables", "peers", "scaling")}


def made_up():
    def peers(scale):
        seconds = {
            f"eager, {ONE}": 4.0,
            f"eager, {TWO}": 3.0,
            f"compiled, {TWO}": 2.0 * scale,
            f"compiled fused, {TWO}": 1.0,
        }
        return {name: {"update": value, "epoch": 10 * value} for name, value in seconds.items()}

    results = {}
    for name in STUDIES:
        results[f"{name}: ours"] = [{"update": x, "train": x, "train_over_operators": 1.05} for x in (3.0, 3.0, 6.0)]
        results[f"{name}: PyTorch"] = [peers(1.0), peers(1.0), peers(2.0)]
        results[f"{name}: command"] = [{"epoch": 30.0}] * 3
    results["lenet: command in one job"] = [{"epoch": 55.0}] * 3
    results["d2l"] = [{"epoch": 150.0}, None, {"epoch": 150.0}]
    results["imports"] = [{"mxnet": 1.0, "gluon_lr": 0.0, "with_names": 0.1}] * 3
    results["first-update"], results["memory"] = [{"seconds": 2.0}] * 3, [{"mebibytes": 400.0}]
    results["finder"], results["scheduler-calls"] = [{"ratios": [1.02]}], [{"policy": 0.3, "three_nested": 0.8}]
    part = {"forward": 0.001, "backward": 0.001, "computed": 10**8, "needed": 5 * 10**7}
    whole = {"our_seconds_per_update": 0.004, "plain_seconds_per_update": 0.008}
    peak = {"width": 16, "operations_a_second": 2e11}
    results["peak"] = [{"peak": peak, "operators": {"convolution": part}, **whole}]
    grown = {"sizes": [1, 2], "seconds": [1.0, 2.0], "mebibytes": [300.0, 300.0], "exponent": 1.0}
    results["scaling"] = [{"seeds": {**grown, "memory_exponent": 0.0}}]
    return results


def test_ratios_are_to_the_best_of_the_same_round_and_to_plain_eager(scripts):
    row = scripts["tables"]["compared"](made_up(), "ours", "update")[0]
    assert row[2] == "1.50 (1.50 … 2.00)"  # in the last round eager is faster than compiled
    assert row[4] == f"compiled, {TWO}"
    assert row[5] == "0.75 (0.75 … 1.50)"
    assert row[6:] == ("3.00 (3.00 … 6.00)", f"compiled fused, {TWO}")


def test_an_arm_that_does_not_run_is_said_not_to(scripts):
    results = made_up()
    results["vit: PyTorch"] = [None, None, None]
    text = scripts["tables"]["updates"](results)
    assert "| ViT (small preset), batch 128, AdamW | does not run here |" in text


def test_the_document_holds_every_table(scripts):
    text = scripts["tables"]["document"]({"about": {"commit": "abc", "governor": "not told"}, "results": made_up()})
    for expected in (
        "- commit: abc",
        "| throughput of two jobs over one | 1.83",
        "| whole chapter over d2l's loop and loaders | 0.20",
        "| seeds | 1 · 2 | 1 · 2 | 1.00 | 300 · 300 | 0.00 |",
        "200 billion operations a second",
        "| convolution | 2.00 | 200 | 100 | 50% | 1.00 |",
    ):
        assert expected in text
    assert set(scripts["tables"]["blocks"]({"results": made_up()})) == {"bench"}


def test_later_rounds_leave_out_what_cannot_win_but_never_plain_eager(scripts):
    found = {f"eager, {ONE}": 4.0, f"eager, {TWO}": 2.9, f"compiled, {TWO}": 2.0, f"compiled, {ONE}": 9.0}
    kept = scripts["peers"]["contenders"]({name: {"update": x, "epoch": x} for name, x in found.items()})
    assert kept == [f"compiled, {TWO}", f"eager, {ONE}", f"eager, {TWO}"]


def test_the_exponent_is_the_power_of_the_size(scripts):
    assert scripts["scaling"]["exponent"]([1, 2, 4], [3, 12, 48]) == pytest.approx(2)
