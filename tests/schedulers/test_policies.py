"""Every policy's whole curve against values computed independently, and the laws that all of them keep."""

import copy
import math
import pickle

import mxnet as mx
import numpy as np
import pytest
from conftest import run_module
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import lr_scheduler

from gluon_lr import schedulers as s
from gluon_lr.errors import UsageError
from gluon_lr.report.figures import save_png
from gluon_lr.report.gallery import examples, gallery
from gluon_lr.schedulers.__main__ import NAMES, parse_schedule

T = np.arange(61)


def one_cycle(n, top, rise, three=False, div=25.0, final=1e4, linear=False):
    """Smith and Topin's cycle by linear interpolation between its corners, warped by the cosine where asked."""
    low = top / div
    corners = [0, rise * n, 2 * rise * n, n] if three else [0, rise * n, n]
    levels = [low, top, low, low / final] if three else [low, top, low / final]
    out = []
    for t in T:
        t = min(t, n)
        i = max(j for j in range(len(corners) - 1) if corners[j] <= t)
        span = corners[i + 1] - corners[i]
        u = (t - corners[i]) / span if span else 1.0
        u = u if linear else (1 - math.cos(math.pi * u)) / 2
        out.append(levels[i] * (1 - u) + levels[i + 1] * u)
    return out


def restarts(first, m, decay, top, low):
    out = []
    for t in T:
        start, size, i = 0.0, float(first), 0
        while t >= start + size - 1e-12:
            start, size, i = start + size, size * m, i + 1
        out.append(low + (top * decay**i - low) * (1 + math.cos(math.pi * (t - start) / size)) / 2)
    return out


def cyclic(low, high, up, down, k):
    length, r = up + down, up / (up + down)
    out = []
    for t in T:
        c = math.floor(1 + t / length)
        x = 1 + t / length - c
        out.append(low + (high - low) * (x / r if x <= r else (x - 1) / (r - 1)) * k(t, c))
    return out


def compounding(d):
    rates = [1.0]
    for e in T[1:]:
        rates.append(rates[-1] / (1 + d * e))
    return rates


CURVES = [
    (s.ConstantScheduler(0.3), np.full(61, 0.3)),
    (s.StepScheduler(7, 0.8, 0.5), 0.5 * 0.8 ** (T // 7)),
    (s.MultiStepScheduler([15, 30], 0.5, 0.5), np.select([T < 15, T < 30], [0.5, 0.25], 0.125)),
    (s.PiecewiseConstantScheduler([10, 20], [1, 3, 2]), np.select([T < 10, T < 20], [1.0, 3.0], 2.0)),
    (s.ExponentialScheduler(math.exp(-0.1), 0.5), 0.5 * np.exp(-0.1 * T)),
    (s.ExponentialScheduler(0.5, 1.0, 0.01), np.maximum(0.01, 0.5**T)),
    (s.LinearScheduler(40, 0.5, 0.1), np.interp(T, [0, 40], [0.5, 0.1])),
    (s.PolynomialScheduler(40, 3, 0.5, 0.1), 0.1 + 0.4 * (1 - np.minimum(T, 40) / 40) ** 3),
    (s.CosineScheduler(40, 0.5, 0.01), 0.01 + 0.49 * (1 + np.cos(np.pi * np.minimum(T, 40) / 40)) / 2),
    (s.TimeBasedScheduler(0.01, 0.1), 0.1 / (1 + 0.01 * T)),
    (s.CompoundingTimeBasedScheduler(0.005, 1.0), compounding(0.005)),
    (s.CompoundingTimeBasedScheduler(0.0, 1.0), np.ones(61)),
    (
        s.InverseSquareRootScheduler(10, 20, 2.0),
        np.where(T < 10, 2 * T / 10, 2 / np.sqrt((np.maximum(T, 10) + 20 - 10) / 20)),
    ),
    (s.InverseSquareRootScheduler(base_lr=1.0), 1 / np.sqrt(T + 1)),
    (s.OneCycleScheduler(50, 2.0), one_cycle(50, 2.0, 0.3)),
    (s.OneCycleScheduler(50, 2.0, curve="linear"), one_cycle(50, 2.0, 0.3, linear=True)),
    (s.OneCycleScheduler(50, 2.0, 10, 100, 0.4, True), one_cycle(50, 2.0, 0.4, True, 10, 100)),
    (s.OneCycleScheduler(40, 1.0, rise=0.0), one_cycle(40, 1.0, 0.0)),
    (s.OneCycleScheduler(40, 1.0, rise=0.5, three_phase=True), one_cycle(40, 1.0, 0.5, True)),
    (
        s.OneCycleScheduler(50, 2.0, curve="linear").momentum(),
        np.interp(T, [0, 15, 50], [0.95, 0.85, 0.95]),
    ),
    (
        s.OneCycleScheduler(50, 2.0, rise=0.4, three_phase=True, curve="linear").momentum(0.9, 0.8),
        np.interp(T, [0, 20, 40], [0.9, 0.8, 0.9]),
    ),
    (s.CyclicScheduler(0.1, 1.0, 8, 4), cyclic(0.1, 1.0, 8, 4, lambda t, c: 1)),
    (s.CyclicScheduler(0.1, 1.0, 5, mode="triangular2"), cyclic(0.1, 1.0, 5, 5, lambda t, c: 2.0 ** (1 - c))),
    (s.CyclicScheduler(0.1, 1.0, 5, mode="exp_range", decay=0.9), cyclic(0.1, 1.0, 5, 5, lambda t, c: 0.9**t)),
    (s.CosineWarmRestartsScheduler(10, base_lr=1.0), restarts(10, 1, 1, 1.0, 0.0)),
    (s.CosineWarmRestartsScheduler(5, 2, 0.5, 1.0, 0.01), restarts(5, 2, 0.5, 1.0, 0.01)),
    (s.CosineWarmRestartsScheduler(4, 1.5, base_lr=1.0), restarts(4, 1.5, 1, 1.0, 0.0)),
    (s.WarmupStableDecayScheduler(10, 20, 20, 1.0, 0.1, 0.2), np.interp(T, [0, 10, 30, 50], [0.1, 1, 1, 0.2])),
    (
        s.WarmupStableDecayScheduler(0, 20, 20, 1.0, curve="1-sqrt"),
        np.where(T < 20, 1.0, 1 - np.sqrt(np.clip((T - 20) / 20, 0, 1))),
    ),
    (s.WarmupStableDecayScheduler(0, 0, 1e-3, 1.0, final_lr=0.2), np.where(T < 1, 1.0, 0.2)),
    (s.WarmupStableDecayScheduler(0, 20, 0, 1.0, final_lr=0.2), np.where(T < 20, 1.0, 0.2)),
    (
        s.WarmupScheduler(s.CosineScheduler(40, 0.5), 5),
        np.where(T < 5, 0.5 * T / 5, 0.25 * (1 + np.cos(np.pi * np.clip((T - 5) / 40, 0, 1)))),
    ),
    (s.WarmupScheduler(1.0, 10, 0.2, "constant"), np.where(T < 10, 0.2, 1.0)),
    (s.WarmupScheduler(1.0, 10, 0.01, "exponential"), 0.01 ** (1 - np.minimum(T, 10) / 10)),
    (s.WarmupScheduler(1.0, 10, 0.2, "cosine"), 0.2 + 0.8 * (1 - np.cos(np.pi * np.minimum(T, 10) / 10)) / 2),
    (s.WarmupScheduler(1.0, 0), np.ones(61)),
    (
        s.ChainScheduler([s.LinearScheduler(20, 1.0, 0.5), 0.3, 0.1], [20, 10]),
        np.select([T < 20, T < 30], [1 - T / 40, 0.3], 0.1),
    ),
    (s.CycleScheduler(s.LinearScheduler(20, 1.0)), 1 - (T % 20) / 20),
    (s.ScaleScheduler(s.LinearScheduler(60, 1.0), 3.0), 3 * (1 - T / 60)),
    (s.ClipScheduler(s.LinearScheduler(60, 1.0), 0.2, 0.7), np.clip(1 - T / 60, 0.2, 0.7)),
    (s.PerEpochScheduler(s.LinearScheduler(10, 1.0), 6), 1 - np.minimum(np.maximum(T - 1, 0) // 6, 10) / 10),
    (
        s.PerEpochScheduler(s.WarmupScheduler(s.CosineScheduler(5, 0.4), 3), 4, every="update"),
        np.where(T < 12, 0.4 * T / 12, 0.2 * (1 + np.cos(np.pi * np.clip((T - 12) / 20, 0, 1)))),
    ),
    (s.PerEpochScheduler(s.StepScheduler(2, 0.5, 1.0), 4, every="update"), 0.5 ** (T // 8)),
    (s.PerUpdateScheduler(s.LinearScheduler(100, 1.0), 5), np.maximum(0, 1 - (5 * T + 1) / 100)),
    (s.FunctionScheduler(math.sqrt), np.sqrt(T)),
]  # fmt: skip


@pytest.mark.parametrize(("schedule", "expected"), CURVES, ids=[repr(c[0])[:60] for c in CURVES])
def test_the_whole_curve_is_the_formulas(schedule, expected):
    np.testing.assert_allclose(schedule.values(61), expected, rtol=1e-9, atol=1e-12)


def test_every_policy_and_combinator_has_a_curve_here():
    assert {type(c[0]).__name__ for c in CURVES} | {"FactorScheduler", "SquareRootScheduler"} >= set(NAMES)


LENGTHS = st.integers(0, 50) | st.floats(0.01, 50)
POSITIVE = st.integers(1, 50) | st.floats(0.5, 50)
RATES = st.floats(1e-6, 10)
SHARES = st.floats(0, 1)
POLICIES = st.one_of(
    st.builds(s.ConstantScheduler, RATES),
    st.builds(s.StepScheduler, POSITIVE, st.floats(0.1, 1), RATES),
    st.builds(s.MultiStepScheduler, st.sets(st.integers(1, 50)).map(sorted), st.floats(0.1, 1), RATES),
    st.builds(s.ExponentialScheduler, st.floats(0.5, 1), RATES),
    st.builds(s.LinearScheduler, POSITIVE, RATES, RATES),
    st.builds(s.PolynomialScheduler, POSITIVE, st.floats(0.5, 4), RATES, RATES),
    st.builds(s.CosineScheduler, POSITIVE, RATES, RATES),
    st.builds(s.TimeBasedScheduler, st.floats(0, 1), RATES),
    st.builds(s.CompoundingTimeBasedScheduler, st.floats(1e-3, 1), RATES),
    st.builds(s.SquareRootScheduler, RATES),
    st.builds(s.FactorScheduler, st.floats(0.5, 1), RATES, RATES),
    st.builds(s.InverseSquareRootScheduler, LENGTHS, POSITIVE, RATES),
    st.builds(s.CosineWarmRestartsScheduler, POSITIVE, st.floats(1, 3), st.floats(0.5, 1), RATES, RATES),
    st.builds(s.OneCycleScheduler, POSITIVE, RATES, rise=SHARES, curve=st.sampled_from(["cosine", "linear"])),
    st.builds(s.OneCycleScheduler, POSITIVE, RATES, rise=st.floats(0, 0.5), three_phase=st.just(True)),
    st.builds(s.OneCycleMomentumScheduler, POSITIVE, rise=SHARES),
    st.builds(
        s.CyclicScheduler, RATES, RATES, POSITIVE, LENGTHS, st.sampled_from(["triangular", "triangular2", "exp_range"])
    ),
    st.builds(
        s.WarmupStableDecayScheduler,
        LENGTHS, LENGTHS, POSITIVE, RATES, RATES, RATES, st.sampled_from(["linear", "cosine", "1-sqrt"]),
    ),
)  # fmt: skip


def warmed(schedule, warmup, begin, mode):
    """A warmup of any mode that can lead to where the schedule begins; an exponential cannot lead to 0."""
    return s.WarmupScheduler(schedule, warmup, begin, mode if schedule(0) > 0 else "cosine")


SCHEDULES = st.recursive(
    POLICIES,
    lambda inner: st.one_of(
        st.builds(warmed, inner, LENGTHS, RATES, st.sampled_from(["linear", "cosine", "exponential"])),
        st.builds(lambda a, b, n: s.ChainScheduler([a, b], [n]), inner, inner, LENGTHS),
        st.builds(s.CycleScheduler, inner, POSITIVE),
        st.builds(s.ScaleScheduler, inner, RATES),
        st.builds(lambda a, low, more: s.ClipScheduler(a, low, low + more), inner, RATES, RATES),
        st.builds(s.PerEpochScheduler, inner, st.integers(1, 9), st.sampled_from(["epoch", "update"])),
        st.builds(s.PerUpdateScheduler, inner, st.integers(1, 9)),
    ),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(SCHEDULES)
def test_laws_of_all_schedules(schedule):
    before = pickle.dumps(schedule)
    values = schedule.values(70)
    assert np.isfinite(values).all()
    assert (values >= 0).all()
    order = np.random.default_rng(0).permutation(70)
    assert [schedule(int(t)) for t in order] == values[order].tolist(), "random access differs from the sequence"
    assert pickle.dumps(schedule) == before, "being called changed it"
    twin = pickle.loads(before)
    assert (twin, hash(twin), repr(twin)) == (schedule, hash(schedule), repr(schedule))
    assert twin.values(70).tolist() == values.tolist()
    assert copy.deepcopy(schedule) == schedule
    assert eval(repr(schedule), vars(s)) == schedule, "repr is not the constructor call"
    assert {schedule(t) for t in (-0.0, -1e-9, -0.5, -1, -7, -1000.5)} == {schedule(0)}, "moves before its begin"
    if schedule.length is not None:
        end = schedule.length
        assert len({schedule(end + x) for x in (1, 1.5, 7, 1000)}) == 1, "moves beyond its end"
        far = [schedule(end + x) for x in (1e-9 + end * 1e-12, 1, 10, 1000)]
        assert len(set(far)) == 1 or np.ptp(far) <= 1e-6 * max(far), "moves beyond its end"


@given(POLICIES, LENGTHS, RATES, st.sampled_from(["linear", "cosine", "exponential"]))
def test_a_warmup_joins_its_schedule_without_a_jump(schedule, warmup, begin, mode):
    warm = warmed(schedule, warmup, begin, mode)
    if warmup:
        assert warm(0) == pytest.approx(begin, rel=1e-9)
        assert warm(warmup * (1 - 1e-9)) == pytest.approx(warm(warmup), rel=1e-6, abs=1e-6 * begin)
    assert warm(warmup) == schedule(0)
    assert warm(warmup + 7) == pytest.approx(schedule(7), rel=1e-9)


@given(POLICIES, POLICIES, POLICIES, st.integers(0, 20), st.integers(0, 20), st.integers(0, 60))
def test_chains_nest_associatively(a, b, c, m, n, t):
    left = s.ChainScheduler([s.ChainScheduler([a, b], [m]), c], [m + n])
    right = s.ChainScheduler([a, s.ChainScheduler([b, c], [n])], [m])
    flat = s.ChainScheduler([a, b, c], [m, n])
    assert left(t) == right(t) == flat(t)


@given(POLICIES, RATES, RATES, st.integers(0, 60))
def test_scaling_twice_is_scaling_once(a, x, y, t):
    assert s.ScaleScheduler(s.ScaleScheduler(a, x), y)(t) == pytest.approx(s.ScaleScheduler(a, x * y)(t), rel=1e-12)


def test_restarts_begin_exactly_at_their_boundaries():
    for m in (1.1, 1.3, 1.5, 2.0, 3.0):
        schedule, boundary, size = s.CosineWarmRestartsScheduler(10, m, base_lr=1.0), 0.0, 10.0
        for _ in range(12):
            boundary, size = boundary + size, size * m
            assert schedule(math.ceil(boundary - 1e-9)) > 0.9 or size < 20
            assert schedule(boundary - size / m * 1e-3) < 0.01


@pytest.mark.parametrize("multiplier", [1, 1.5, 2])
@pytest.mark.parametrize("first", [0.1, 0.3, 0.6, 0.7])
def test_restarts_and_steps_come_at_fractions_too(first, multiplier):
    """0.3 // 0.1 is 2.0 in floating point; the third restart comes at 0.3 for all that."""
    restarts = s.CosineWarmRestartsScheduler(first, multiplier, base_lr=1.0)
    boundaries = [first * (k if multiplier == 1 else (multiplier**k - 1) / (multiplier - 1)) for k in range(12)]
    decimals = [round(t, 12) for t in boundaries]
    assert [restarts(t) for t in [*boundaries, *decimals]] == pytest.approx([1.0] * 24, abs=1e-9)
    assert [restarts(t - 1e-6 * first) for t in boundaries[1:]] == pytest.approx([0.0] * 11, abs=1e-9)
    steps = s.StepScheduler(first, 0.5, 1.0)
    assert [steps(round(k * first, 12)) for k in range(12)] == [0.5**k for k in range(12)]
    assert [steps(k * first - 1e-6) for k in range(1, 12)] == [0.5 ** (k - 1) for k in range(1, 12)]


@pytest.mark.parametrize("decay", [1e-2, 1e-3, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12, 1e-300, 1e-310])
def test_the_compounding_decay_is_its_product_however_small(decay):
    schedule = s.CompoundingTimeBasedScheduler(decay, base_lr=1.0)
    for t in (1, 10, 1000):
        product = math.exp(-math.fsum(math.log1p(decay * i) for i in range(1, t + 1)))
        assert schedule(t) == pytest.approx(product, rel=2e-12)


def test_a_clipped_schedule_is_written_as_the_call_that_makes_it():
    schedule = s.StepScheduler(2)
    for ends in ({}, {"low": 0.01}, {"high": 0.5}, {"low": 0.01, "high": 0.5}):
        clipped = s.ClipScheduler(schedule, **ends)
        assert eval(repr(clipped), dict(vars(s))) == clipped


@pytest.mark.parametrize("result", [None, "0.1", [0.1, 0.2], mx.nd.array([0.1, 0.2])])
def test_a_function_that_gives_no_rate_is_named(result):
    with pytest.raises(UsageError, match=r"gave .* at t = 3: expected a number"):
        s.FunctionScheduler(lambda t: result)(3)


OPTIMIZERS = sorted(mx.optimizer.Optimizer.opt_registry)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_no_optimizer_overwrites_a_schedules_base_rate(name, caplog):
    for schedule in (s.CosineScheduler(10, base_lr=0.5), s.WarmupScheduler(0.5, 3), s.OneCycleScheduler(10, 0.5)):
        before = schedule.values(12).tolist()
        mx.optimizer.create(name, lr_scheduler=schedule)
        mx.optimizer.create(name, lr_scheduler=schedule, learning_rate=0.123)
        assert schedule.values(12).tolist() == before
    if name != "ftrl":  # it keeps its rate to itself
        assert "without effect" in caplog.text


def test_a_schedule_goes_through_save_states(tmp_path):
    schedule = s.WarmupScheduler(s.CosineScheduler(20, 0.5), 5)
    net = mx.gluon.nn.Dense(1, in_units=2)
    net.initialize()
    trainer = mx.gluon.Trainer(net.collect_params(), "adam", {"lr_scheduler": schedule})
    rates = []
    for step in range(8):
        if step == 4:
            trainer.save_states(str(tmp_path / "states"))
            trainer.load_states(str(tmp_path / "states"))
            assert trainer.optimizer.lr_scheduler == schedule
        with mx.autograd.record():
            value = net(mx.nd.ones((2, 2))).sum()
        value.backward()
        trainer.step(2)
        rates.append(trainer.learning_rate)
    assert rates == schedule.values(9)[1:].tolist()


def test_mxnets_and_gluoncvs_schedulers_are_wrapped():
    from gluoncv.utils import LRScheduler, LRSequential

    theirs = LRSequential(
        [
            LRScheduler("linear", base_lr=0, target_lr=1.0, nepochs=2, iters_per_epoch=5),
            LRScheduler("cosine", base_lr=1.0, target_lr=0, nepochs=4, iters_per_epoch=5),
        ]
    )
    ours = s.WarmupScheduler(theirs, 3)
    sequence = [theirs(t) for t in range(30)]
    assert [ours(t + 3) for t in range(30)] == pytest.approx(sequence)
    assert s.PerEpochScheduler(lr_scheduler.FactorScheduler(2, 0.5, base_lr=1.0), 3)(10) == 0.5


def test_what_schedules_cannot_be_made_of_is_refused():
    wrong = [
        lambda: s.StepScheduler(0),
        lambda: s.PiecewiseConstantScheduler([1, 2], [1]),
        lambda: s.PiecewiseConstantScheduler([2, 1], [1, 2, 3]),
        lambda: s.MultiStepScheduler([3, 3]),
        lambda: s.ExponentialScheduler(0),
        lambda: s.TimeBasedScheduler(-1),
        lambda: s.CompoundingTimeBasedScheduler(-1),
        lambda: s.InverseSquareRootScheduler(-1),
        lambda: s.InverseSquareRootScheduler(0, 0.0),
        lambda: s.CosineWarmRestartsScheduler(0),
        lambda: s.CosineWarmRestartsScheduler(1, 0.5),
        lambda: s.OneCycleScheduler(10, 1, rise=1.5),
        lambda: s.OneCycleScheduler(10, 1, rise=0.6, three_phase=True),
        lambda: s.OneCycleScheduler(10, 1, curve="cubic"),
        lambda: s.CyclicScheduler(0, 1, 0, 0),
        lambda: s.CyclicScheduler(mode="square"),
        lambda: s.WarmupStableDecayScheduler(-1, 0, 0),
        lambda: s.WarmupStableDecayScheduler(1, 0, 0, curve="square"),
        lambda: s.WarmupScheduler(1.0, 5, mode="exponential"),
        lambda: s.WarmupScheduler(1.0, -5),
        lambda: s.WarmupScheduler(1.0, 5, mode="none"),
        lambda: s.ChainScheduler([]),
        lambda: s.ChainScheduler([s.SquareRootScheduler(), 1.0]),
        lambda: s.ChainScheduler([1.0, 2.0], [-1]),
        lambda: s.CycleScheduler(s.SquareRootScheduler()),
        lambda: s.ClipScheduler(1.0, 2, 1),
        lambda: s.PerUpdateScheduler(1.0, 0),
    ]
    for make in wrong:
        with pytest.raises(UsageError):
            make()


def test_the_commands_csv_is_the_schedule():
    done = run_module("gluon_lr.schedulers", "cosine", "max_update=40", "base_lr=0.5", "--n", "41")
    rows = [line.split(",") for line in done.stdout.splitlines()]
    assert rows[0] == ["t", "rate"]
    assert [float(rate) for _, rate in rows[1:]] == s.CosineScheduler(40, 0.5).values(41).tolist()


def test_the_command_names_what_it_does_not_know(capsys):
    assert parse_schedule("one-cycle", ["max_update=10", "max_lr=1.0", "curve=linear"], 5)[0].curve == "linear"
    for name, arguments, says in (
        ("cosin", [], "CosineScheduler"),
        ("cosine", ["n=3"], "max_update"),
        ("cosine", ["max_update"], "name=value"),
        ("cosine", [], "needs max_update, as name=value"),
        ("cosine", ["max_update=abc"], "CosineScheduler"),
        ("step", ["step=0"], "more than 0"),
    ):
        with pytest.raises(UsageError, match=says):
            parse_schedule(name, arguments, 20)


def test_the_gallery_shows_every_policy(tmp_path):
    assert {type(schedule).__name__ for _, schedule in examples()} >= set(NAMES) - {"PerUpdateScheduler"}
    assert save_png(gallery(), tmp_path / "g.png").read_bytes()[:4] == b"\x89PNG"


def test_plot_returns_its_axes():
    ax = s.CosineScheduler(10, 1.0).plot(11)
    assert ax.lines[0].get_ydata().tolist() == s.CosineScheduler(10, 1.0).values(11).tolist()
    assert s.LinearScheduler(10, 1.0).plot(11, ax=ax, color="red") is ax
    assert "updates" in ax.get_xlabel()
