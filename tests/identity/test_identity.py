"""Identities: equal for what is the same, different for what differs, the same in every process."""

import contextlib
import copy
import enum
import functools
import json
import math
import operator
import os
import pickle
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import gluon

from gluon_lr import ChainScheduler, CosineScheduler, FunctionScheduler, OneCycleScheduler, WarmupScheduler
from gluon_lr.data import ArrayBatches
from gluon_lr.errors import UsageError
from gluon_lr.identity import describe, identify

HALF = 0.5


def helper(t):
    return t * HALF


def steady(lr):
    return lambda t: lr


def falling(lr):
    return lambda t: lr / (1 + t)


def with_default(lr, power=2, *, floor=0.0):
    return lambda t, lr=lr: max(floor, lr / (1 + t) ** power)


def uses_helper(t):
    return helper(t)


class Decay:
    """A schedule as a class of the user's own."""

    def __init__(self, lr, power=1):
        self.lr, self.power = lr, power

    def __call__(self, t):
        return self.lr / (1 + t) ** self.power

    def half(self, t):
        return self(t) / 2


class SteeperDecay(Decay):
    def half(self, t):
        return super().half(t) / 4


@dataclass
class Settings:
    lr: float
    steps: tuple = (1, 2)


class Mode(enum.Enum):
    SLOW = 1
    FAST = 2


def small_net(width=4, prefix=None, init=None):
    net = gluon.nn.HybridSequential(prefix=prefix)
    with net.name_scope():
        net.add(gluon.nn.Dense(width, activation="relu", weight_initializer=init), gluon.nn.BatchNorm())
        net.add(gluon.nn.Dense(2))
    return net


class Scaled(gluon.HybridBlock):
    """A block with an attribute that neither its parameters nor its repr show."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.dense = gluon.nn.Dense(2)

    def hybrid_forward(self, F, x):
        return self.dense(x) * self.factor


def imported_net(units):
    x = mx.sym.var("data", dtype="float32")
    return gluon.SymbolBlock(mx.sym.FullyConnected(x, num_hidden=units), x)


def gluoncv_sequence(n):
    from gluoncv.utils import LRScheduler, LRSequential

    return LRSequential([LRScheduler("linear", 0, 0.1, niters=2), LRScheduler("cosine", 0.1, 0, niters=n)])


IMAGES = np.arange(12, dtype=np.uint8).reshape(6, 2)
LABELS = np.arange(6) % 2
# Each makes another value: equal to itself made again, and to nothing else in the list.
MAKERS = {
    "true": lambda: True,
    "one": lambda: 1,
    "one and nothing": lambda: 1.0,
    "'1'": lambda: "1",
    "b'1'": lambda: b"1",
    "zero": lambda: 0.0,
    "minus zero": lambda: -0.0,
    "list": lambda: [1, 2],
    "tuple": lambda: (1, 2),
    "dict": lambda: {"a": 1, "b": {2, 3}},
    "set": lambda: {"some", "words", "here", 1.5, None},
    "other set": lambda: {"some", "words", "here", 1.5},
    "steady 0.5": lambda: steady(0.5),
    "steady 0.1": lambda: steady(0.1),
    "falling": lambda: falling(0.5),
    "defaults": lambda: with_default(0.5),
    "keyword": lambda: with_default(0.5, floor=0.1),
    "other power": lambda: with_default(0.5, 3),
    "first of two": lambda: [lambda t: t, lambda t: 2 * t][0],
    "second of two": lambda: [lambda t: t, lambda t: 2 * t][1],
    "helper": lambda: uses_helper,
    "partial": lambda: functools.partial(with_default, 0.5, floor=0.1),
    "other partial": lambda: functools.partial(with_default, 0.5, floor=0.2),
    "partial of positions": lambda: functools.partial(with_default, 0.5, 0.1),
    "object": lambda: Decay(0.5),
    "other state": lambda: Decay(0.5, 2),
    "other class": lambda: SteeperDecay(0.5),
    "method": lambda: Decay(0.5).half,
    "method of another": lambda: Decay(0.25).half,
    "inherited method": lambda: SteeperDecay(0.5).half,
    "class": lambda: Decay,
    "dataclass": lambda: Settings(0.1),
    "other field": lambda: Settings(0.1, (1, 3)),
    "enum": lambda: Mode.SLOW,
    "other member": lambda: Mode.FAST,
    "builtin": lambda: max,
    "math": lambda: math.cos,
    "numpy": lambda: np.cos,
    "numpy's function": lambda: np.mean,
    "getter": lambda: operator.itemgetter(1),
    "other getter": lambda: operator.itemgetter(2),
    "path": lambda: Path("a/b"),
    "array": lambda: np.arange(4),
    "float array": lambda: np.arange(4.0),
    "shaped array": lambda: np.arange(4).reshape(2, 2),
    "array of objects": lambda: np.array([1, "a", None], object),
    "generator's state": lambda: np.random.RandomState(3),
    "other generator's state": lambda: np.random.RandomState(4),
    "nd": lambda: mx.nd.arange(4),
    "cosine": lambda: CosineScheduler(10, 0.5),
    "longer cosine": lambda: CosineScheduler(11, 0.5),
    "one-cycle": lambda: OneCycleScheduler(10, 0.5),
    "function": lambda: FunctionScheduler(falling(0.5)),
    "other function": lambda: FunctionScheduler(falling(0.25)),
    "warmup": lambda: WarmupScheduler(steady(0.5), 2),
    "warmup of another": lambda: WarmupScheduler(falling(0.5), 2),
    "chain": lambda: ChainScheduler([0.1, CosineScheduler(5, 0.1)], [3]),
    "mxnet": lambda: mx.lr_scheduler.FactorScheduler(3, 0.5),
    "mxnet, other": lambda: mx.lr_scheduler.FactorScheduler(4, 0.5),
    "mxnet, steps": lambda: mx.lr_scheduler.MultiFactorScheduler([2, 5], 0.5),
    "gluoncv": lambda: gluoncv_sequence(6),
    "gluoncv, longer": lambda: gluoncv_sequence(7),
    "net": small_net,
    "wider net": lambda: small_net(5),
    "other initializer": lambda: small_net(init=mx.init.Normal(0.1)),
    "its argument": lambda: small_net(init=mx.init.Normal(0.2)),
    "hidden attribute": lambda: Scaled(2),
    "other hidden attribute": lambda: Scaled(3),
    "symbol": lambda: imported_net(3),
    "other symbol": lambda: imported_net(4),
    "loss": gluon.loss.SoftmaxCrossEntropyLoss,
    "loss of another axis": lambda: gluon.loss.SoftmaxCrossEntropyLoss(axis=1),
    "dense labels": lambda: gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=False),
    "weighted loss": lambda: gluon.loss.SoftmaxCrossEntropyLoss(weight=0.5),
    "huber": lambda: gluon.loss.HuberLoss(),
    "wider huber": lambda: gluon.loss.HuberLoss(rho=2),
    "batches": lambda: ArrayBatches(IMAGES, LABELS, 2),
    "larger batches": lambda: ArrayBatches(IMAGES, LABELS, 3),
    "other images": lambda: ArrayBatches(IMAGES + 1, LABELS, 2),
    "transformed": lambda: ArrayBatches(IMAGES, LABELS, 2, transform=lambda x: x / 7),
    "loader": lambda: gluon.data.DataLoader(gluon.data.ArrayDataset(IMAGES, LABELS), 2),
    "shuffled loader": lambda: gluon.data.DataLoader(gluon.data.ArrayDataset(IMAGES, LABELS), 2, shuffle=True),
    "loader of others": lambda: gluon.data.DataLoader(gluon.data.ArrayDataset(IMAGES, LABELS[::-1]), 2),
    "initialized": lambda: filled(gluon.nn.Dense(2, in_units=3), 1),
    "other values": lambda: filled(gluon.nn.Dense(2, in_units=3), 2),
    "context": mx.cpu,
    "another context": lambda: mx.cpu(1),
}


def filled(net, value):
    net.initialize(mx.init.Constant(value))
    return net


def test_each_equals_itself_made_anew_and_nothing_else():
    first, again = ({name: identify(make(), name) for name, make in MAKERS.items()} for _ in range(2))
    assert first == again
    by_identity = {}
    for name, identity in first.items():
        by_identity.setdefault(identity, []).append(name)
    assert [names for names in by_identity.values() if len(names) > 1] == []


def test_descriptions_are_plain_data_without_addresses():
    for name, make in MAKERS.items():
        text = json.dumps(describe(make(), name))
        assert " at 0x" not in text
        assert str(id(make)) not in text


IN_ANOTHER_PROCESS = """
import json, sys, warnings
warnings.simplefilter("ignore")
sys.path[:0] = sys.argv[1:]
import test_identity
print(json.dumps({name: test_identity.identify(make(), name) for name, make in test_identity.MAKERS.items()}))
"""


@pytest.mark.parametrize("hash_seed", ["4711", pytest.param("0", marks=pytest.mark.slow)])
def test_the_same_in_another_process_folder_and_hash_seed(tmp_path, hash_seed):
    tests = Path(__file__).parent
    paths = [str(tests), str(tests.parents[1])]
    done = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS, *paths],
        capture_output=True, text=True, cwd=tmp_path, check=False, env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    there = json.loads(done.stdout.splitlines()[-1])
    here = {name: identify(make(), name) for name, make in MAKERS.items()}
    assert {name for name in here if here[name] != there[name]} == set()


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def with_types(value):
    """Plain data in which 1, 1.0 and True are three."""
    if isinstance(value, dict):
        return {key: with_types(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(with_types, value)]
    return [type(value).__name__, repr(value)]


@settings(deadline=None)
@given(plain, plain)
def test_plain_values_are_identified_exactly(first, second):
    assert describe(first) == describe(copy.deepcopy(first)) == describe(pickle.loads(pickle.dumps(first)))
    assert (describe(first) == describe(second)) == (with_types(first) == with_types(second))


@settings(deadline=None)
@given(plain, plain)
def test_functions_and_objects_are_told_apart_by_what_they_are_bound_to(first, second):
    same = with_types(first) == with_types(second)
    for bind in (steady, lambda value: functools.partial(max, value), lambda value: Decay(1, value)):
        assert (identify(bind(first)) == identify(bind(second))) == same
        assert identify(bind(first)) == identify(bind(copy.deepcopy(first)))


@settings(deadline=None)
@given(st.sets(st.text()), st.randoms())
def test_the_order_of_sets_and_dicts_does_not_count(words, random):
    shuffled = sorted(words)
    random.shuffle(shuffled)
    assert describe(words) == describe(set(shuffled))
    assert describe(dict.fromkeys(words)) == describe(dict.fromkeys(shuffled))


def test_a_wrapper_that_bears_another_functions_name_is_not_taken_for_it():
    @functools.wraps(np.mean)
    def mine(x):
        return 0

    cached = [functools.lru_cache(maxsize=None)(f) for f in (steady, falling)]
    assert len({identify(f) for f in (mine, np.mean, *cached)}) == 4


def test_defaults_of_keywords_count():
    def with_keyword(value):
        def at(t, *, floor=value):
            return max(t, floor)

        return at

    assert identify(with_keyword(1)) == identify(with_keyword(1)) != identify(with_keyword(2))
    changed = with_keyword(1)
    changed.__kwdefaults__ = {"floor": 3}
    assert identify(changed) != identify(with_keyword(1))


def test_what_an_installed_library_makes_of_a_function_is_known_by_that_function():
    def block(value):
        def inner():
            yield value

        return contextlib.contextmanager(inner)

    assert identify(block(1)) == identify(block(1)) != identify(block(2))


def test_functions_and_objects_that_refer_to_themselves():
    def make(last):
        def even(n):
            return n == 0 or odd(n - 1)

        def odd(n):
            return n != last and even(n - 1)

        return even

    ring = []
    ring.append(ring)
    node = Decay(1)
    node.lr = {"self": node, "among": {node}}
    assert identify(make(0)) == identify(make(0)) != identify(make(1))
    assert identify(ring) == identify(copy.deepcopy(ring))
    assert identify(node) == identify(copy.deepcopy(node))


def test_batches_that_were_gone_through_are_the_same():
    batches = ArrayBatches(IMAGES, LABELS, 2)
    before = identify(batches)
    list(batches)
    assert identify(batches) == before


def test_numbers_of_numpy_are_numbers():
    assert describe([np.float64(0.1), np.int64(3), np.bool_(True)]) == describe([0.1, 3, True])


def test_a_net_whose_names_were_counted_on_is_the_same(front_end):
    small_net()
    assert identify(small_net()) == identify(small_net())
    block = functools.partial(gluon.contrib.nn.SyncBatchNorm, num_devices=1)
    assert identify(block()) == identify(block()) != identify(block(momentum=0.5))


def generator():
    yield 1


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (generator, "generator"),
        (lambda: open(os.devnull), "TextIOWrapper"),  # noqa: SIM115
        (threading.Lock, "lock"),
        (lambda: np.frompyfunc(helper, 1, 1), "ufunc"),
        (lambda: memoryview(b"a"), "memoryview"),
    ],
)
def test_what_nothing_tells_apart_is_refused_by_name(make, kind):
    value, holder = make(), Decay(0.1)
    holder.state = value
    with pytest.raises(UsageError, match=rf"batches → lr\.state is a {kind}, which nothing tells from another one"):
        describe(steady(holder), "batches")
    if hasattr(value, "close"):
        value.close()


def test_arrays_of_fields_and_of_dates_are_told_apart():
    kinds = [[("a", "f4"), ("b", "i4")], [("b", "i4"), ("a", "f4")], [("q", "u8")], "M8[D]", "M8[s]", "m8[D]", "i8"]
    described = [str(identify(np.zeros(2, kind))) for kind in kinds]
    assert len(set(described)) == len(kinds)
    assert [str(identify(np.zeros(2, kind))) for kind in kinds] == described
    aligned = np.dtype([("a", "i1"), ("b", "i8")], align=True)
    first, second = (np.full(aligned.itemsize * 2, fill, np.uint8).view(aligned) for fill in (0, 255))
    for name in aligned.names:
        second[name] = first[name]  # the padding differs still
    assert first.tobytes() != second.tobytes()
    assert identify(first) == identify(second)
    days = [np.array([day], "M8[D]") for day in ("2020-01-01", "2020-01-02")]
    assert identify(days[0]) != identify(days[1])
    assert identify(np.array("2020-01-01", "M8[D]")) != identify(days[0]), "of no dimension"
