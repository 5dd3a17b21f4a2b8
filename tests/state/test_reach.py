"""Whatever is trained along with a net is part of its state: its loss, what is in no list of Gluon's, hidden states."""

import functools

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from small import assert_same, made, state

from gluon_lr.errors import RecordError, UsageError
from gluon_lr.finder import Learner
from gluon_lr.state import blocks_within, capture, load, parameters_of, preserved, restore, save


class Normed(gluon.loss.Loss):
    """A loss that normalizes outputs, by statistics of its own that every training pass moves."""

    def __init__(self):
        super().__init__(1.0, 0)
        self.norm = gluon.nn.BatchNorm(in_channels=3)

    def hybrid_forward(self, F, output, target):
        return F.mean((self.norm(output) - target) ** 2, axis=1)


class Perceptual:
    """A plain object with a second network, as many losses are."""

    def __init__(self, features):
        self.kept = {"features": [features]}
        self.weight = gluon.Parameter("perceptual_weight", shape=(1,))
        self.weight.initialize(mx.init.One())

    def __call__(self, output, target):
        features = self.kept["features"][0]
        return ((features(output) - features(target)) ** 2).mean(axis=1) * self.weight.data()

    def method(self, output, target):
        return self(output, target)


def statistic():
    block = gluon.nn.BatchNorm(in_channels=3)
    block.initialize()
    return block


def pass_through(net, loss, scale=1):
    X = scale * mx.nd.array(np.random.default_rng(0).normal(size=(8, 4)))
    with autograd.record():
        loss(net(X), mx.nd.ones((8, 3))).mean().backward()
    mx.nd.waitall()


def contents(block):
    return {name: [a.asnumpy() for a in parameter.list_data()] for name, parameter in block.collect_params().items()}


@pytest.mark.parametrize("from_file", [False, True])
def test_a_loss_with_statistics_of_its_own_is_put_back(from_file, tmp_path):
    (net, trainer), loss = made(), Normed()
    loss.initialize()
    pass_through(net, loss)
    before = contents(loss)
    with preserved(net, trainer, path=tmp_path / "s.npz" if from_file else None, also=(loss,)):
        pass_through(net, loss, 5)
        moved = contents(loss)
    assert_same(contents(loss), before)
    mean = next(name for name in before if name.endswith("running_mean"))
    assert not np.array_equal(moved[mean], before[mean])
    with preserved(net, trainer):  # nobody can know of a loss that is not named
        pass_through(net, loss, 5)
    assert not np.array_equal(contents(loss)[mean], before[mean])


_GLOBAL = statistic()
_DEFAULT = statistic()


def losses():
    """Second networks in every place that a loss may keep one in, with the network."""

    def closure(output, target):
        return inner(output) - target

    def through_global(output, target):
        return _GLOBAL(output) - target

    def through_default(output, target, norm=_DEFAULT):
        return norm(output) - target

    def with_network(network, output, target):
        return network(output) - target

    inner, bound, passed, listed = statistic(), statistic(), statistic(), statistic()
    unregistered = Normed()
    unregistered.initialize()
    unregistered.more = [(listed,)]
    return {
        "object": (Perceptual(bound), bound),
        "bound method": (Perceptual(bound).method, bound),
        "closure": (closure, inner),
        "global": (through_global, _GLOBAL),
        "default": (through_default, _DEFAULT),
        "partial": (functools.partial(with_network, passed), passed),
        "lambda": (lambda output, target: inner(output) - target, inner),
        "list of a block's": (unregistered, listed),
    }


@pytest.mark.filterwarnings("ignore:.*unregistered container:UserWarning")  # by Gluon, of the list
@pytest.mark.parametrize("place", losses())
def test_a_second_network_is_found_wherever_the_loss_keeps_it(place):
    (net, trainer), (loss, network) = made(), losses()[place]
    before = contents(network)
    with preserved(net, trainer, also=(loss,)):
        for parameter in network.collect_params().values():
            parameter.set_data(parameter.data() + 1)
    assert_same(contents(network), before)
    assert network in blocks_within(loss)


def test_a_parameter_of_a_plain_object_is_found():
    (net, trainer), loss = made(), Perceptual(statistic())
    with preserved(net, trainer, also=(loss,)):
        loss.weight.set_data(mx.nd.array([3]))
    assert loss.weight.data().asscalar() == 1


def test_names_say_the_way_and_each_parameter_has_one():
    net, _ = made()
    loss = Normed()
    loss.outputs = net
    names = list(parameters_of(net, also=(loss, loss.norm)))
    assert names[:2] == ["0.weight", "0.bias"]
    assert [name for name in names if name.startswith("also")] == [
        f"also[0].norm.{name}" for name in ("gamma", "beta", "running_mean", "running_var")
    ]


def test_a_loss_comes_along_in_a_file(tmp_path):
    (net, trainer), loss = made(), Normed()
    loss.initialize()
    pass_through(net, loss)
    save(tmp_path / "s.npz", net, trainer, also=(loss,))
    (other, other_trainer), other_loss = made(), Normed()
    other_loss.initialize()
    with pytest.raises(RecordError, match=r"also\[0\]\.norm.*also="):
        load(tmp_path / "s.npz", other, other_trainer)
    load(tmp_path / "s.npz", other, other_trainer, also=(other_loss,))
    for ours, theirs in zip(contents(loss).values(), contents(other_loss).values()):
        np.testing.assert_array_equal(ours, theirs)
    assert np.abs(other_loss.norm.running_mean.data().asnumpy()).sum() > 0


def test_a_loss_without_values_yet_is_refused_by_name():
    net, trainer = made()
    with pytest.raises(UsageError, match=r"also\[0\]\.norm\.gamma is not initialized"):
        capture(net, trainer, also=(Normed(),))


class Remembering(gluon.nn.HybridSequential):
    """A net that carries what it saw from batch to batch, in every form that one may keep it in."""

    def __init__(self):
        super().__init__()
        self.add(gluon.nn.Dense(3, in_units=4))
        self.hidden, self.batches, self.rate = mx.nd.zeros((2, 3)), 0, 0.5
        self.cells = [mx.nd.zeros(3), (mx.nd.zeros(2), {"deep": mx.nd.zeros(1)})]
        self.empty, self.where = None, np.zeros(2)

    def forward(self, X):
        output = super().forward(X)
        self.hidden = output + self.hidden
        self.batches += 1
        self.cells[0] += 1
        self.cells[1][1]["deep"] = self.cells[1][1]["deep"] + 1
        self.empty = mx.nd.ones(1)
        self.where += 1
        self.found_late = mx.nd.ones(1)
        return output


def seen(net):
    arrays = [net.hidden, net.cells[0], net.cells[1][0], net.cells[1][1]["deep"]]
    return [array.asnumpy().tolist() for array in arrays], net.batches, net.where.tolist()


@pytest.mark.parametrize("from_file", [False, True])
def test_hidden_states_are_put_back_the_same_arrays_with_what_they_held(from_file, tmp_path):
    net = Remembering()
    net.initialize()
    net(mx.nd.ones((2, 4)))
    del net.found_late
    net.empty = None
    before, hidden, cells, inner = seen(net), net.hidden, net.cells, net.cells[1]
    with preserved(net, path=tmp_path / "s.npz" if from_file else None):
        net(2 * mx.nd.ones((2, 4)))
        net.cells = [mx.nd.ones(3), net.cells[1]]
        net.rate = 0.1
        after = seen(net)
    assert seen(net) == before != after
    assert net.hidden is hidden
    assert net.cells is cells
    assert net.cells[1] is inner
    assert (net.empty, net.rate) == (None, 0.5)
    assert not hasattr(net, "found_late")


def test_what_a_forward_pass_gave_out_is_not_overwritten():
    net = Remembering()
    net.initialize()
    with preserved(net):
        net(mx.nd.ones((2, 4)))
        given_out = net.hidden
        held = given_out.asnumpy()
    np.testing.assert_array_equal(given_out.asnumpy(), held)
    assert np.abs(held).sum() > 0


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("ctx", [mx.cpu(0), mx.cpu(1)])
def test_hidden_states_go_to_another_net_and_its_settings_stay(in_memory, ctx, tmp_path):
    net, other = Remembering(), Remembering()
    net.initialize()
    other.initialize(ctx=ctx)
    for _ in range(2):
        net(mx.nd.ones((2, 4)))
    net.hidden = mx.nd.concat(net.hidden, net.hidden, dim=0)  # of another batch size
    other.hidden, other.rate = None, 0.9
    save(tmp_path / "s.npz", net)
    restore(capture(net), other) if in_memory else load(tmp_path / "s.npz", other)
    assert seen(other)[0] == seen(net)[0]
    assert other.hidden is not net.hidden
    assert other.cells[1][1]["deep"] is not net.cells[1][1]["deep"]
    assert other.hidden.context == ctx
    assert other.rate == 0.9


def test_a_hidden_state_that_was_none_is_none_again_in_another_net(tmp_path):
    net, other = Remembering(), Remembering()
    net.initialize()
    other.initialize()
    net.hidden = None
    other.cells = None
    save(tmp_path / "s.npz", net)
    load(tmp_path / "s.npz", other)
    assert other.hidden is None
    assert [array.shape for array in (other.cells[0], other.cells[1][0])] == [(3,), (2,)]


def test_a_state_that_a_file_cannot_hold_is_refused_by_its_name(tmp_path):
    net = Remembering()
    net.initialize()
    net.cells = [mx.nd.ones(1), object()]
    with pytest.raises(RecordError, match=r"a object .*cells\.1"):
        save(tmp_path / "s.npz", net)
    assert not (tmp_path / "s.npz").exists()
    with preserved(net):  # memory holds anything
        net.cells[0][:] = 5
    assert net.cells[0].asscalar() == 1


def test_state_of_a_plain_loss_is_put_back():
    class Running:
        def __init__(self):
            self.mean, self.calls = mx.nd.zeros(1), 0

    net, trainer = made()
    loss = Running()
    with preserved(net, trainer, also=(loss,)):
        loss.mean, loss.calls = loss.mean + 1, 4
    assert (loss.mean.asscalar(), loss.calls) == (0, 0)


def test_hybridized_nets_stay_as_they_are():
    net, trainer = made(hybridize=True)
    before = state(net)
    X = mx.nd.ones((2, 4))
    expected = net(X).asnumpy()
    with preserved(net, trainer):
        net.hybridize(False)
        net(X)
        net.hybridize()
        net(X)
    np.testing.assert_array_equal(net(X).asnumpy(), expected)
    assert_same(state(net), before)


def test_a_parameter_beside_the_net_with_the_name_of_one_in_it_is_kept_too():
    net, own = gluon.nn.Dense(1, in_units=2), gluon.Parameter("weight", shape=(3,))
    two = [gluon.Parameter("scale", shape=(n,)) for n in (3, 4)]
    for one in (net, own, *two):
        one.initialize()
    every = [*net.collect_params().values(), own, *two]
    trainer = gluon.Trainer(every, "sgd")
    assert {id(p) for p in parameters_of(net, trainer).values()} == {id(p) for p in every}
    before = own.data().asnumpy().copy()
    with preserved(net, trainer):
        own.set_data(own.data() + 1)
    assert (own.data().asnumpy() == before).all()


def test_a_snapshot_of_a_net_alone_is_not_put_back_into_a_trainer():
    net = gluon.nn.Dense(1, in_units=2)
    net.initialize()
    with pytest.raises(RecordError, match="without its trainer"):
        restore(capture(net), net, gluon.Trainer(net.collect_params(), "sgd"))


def test_a_variable_that_is_not_assigned_yet_holds_nothing():
    net = gluon.nn.Dense(2, in_units=3)
    net.initialize()

    def made():
        learner = Learner(
            net, [(mx.nd.ones((4, 3)), mx.nd.zeros(4))], mx.cpu(), lambda out, y: own(out, y) + 0 * (learner is None)
        )
        return learner

    own = gluon.loss.SoftmaxCrossEntropyLoss()
    assert made().iteration(0.1) > 0
