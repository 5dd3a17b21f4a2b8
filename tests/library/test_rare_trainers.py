"""Trainers, loaders and losses that few use and all may: each trains, is searched and is undone as it should be."""

import random
import threading
import weakref

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

from gluon_lr import Learner, LRFinder, evaluate, preserved, snapshot, train
from gluon_lr.denormals import denormals_as_zero
from gluon_lr.errors import UsageError
from gluon_lr.hyper import HyperparameterSchedule, RescaleMomentum, ScheduledWeightDecay

CPU, TWO = mx.cpu(), [mx.cpu(0), mx.cpu(1)]
LOSS = gluon.loss.SoftmaxCrossEntropyLoss()
DRAW = np.random.RandomState(0)
X = DRAW.randn(32, 4).astype("float32")
Y = (X[:, 0] > 0).astype("float32")
BATCH = (mx.nd.array(X), mx.nd.array(Y))


def small(ctx=CPU, seed=0, frozen=False):
    mx.random.seed(seed)
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(4, in_units=4), gluon.nn.Dense(2, in_units=4))
    net.initialize(mx.init.Normal(1), ctx=ctx)
    if frozen:
        net[0].collect_params().setattr("grad_req", "null")
    return net


def weights(net):
    return [p.data(p.list_ctx()[0]).asnumpy() for p in net.collect_params().values()]


def step(net, trainer, ctx=CPU):
    contexts = ctx if isinstance(ctx, list) else [ctx]
    parts = [gluon.utils.split_and_load(part, contexts) for part in BATCH]
    with mx.autograd.record():
        losses = [LOSS(net(x), y) for x, y in zip(*parts)]
    mx.autograd.backward(losses)
    trainer.step(len(X))


def test_a_trainer_that_compresses_gradients_is_refused_where_it_could_not_be_put_back(tmp_path):
    net = small(TWO)
    trainer = gluon.Trainer(
        net.collect_params(), "sgd", {"learning_rate": 0.1}, compression_params={"type": "2bit", "threshold": 0.5}
    )
    step(net, trainer, TWO)
    before = weights(net)
    for doing in (
        lambda: LRFinder(Learner(net, [BATCH], TWO, LOSS, trainer)).find(progress=False),
        lambda: snapshot.save(tmp_path / "kept.npz", net, trainer),
        lambda: ScheduledWeightDecay(1e-6).apply(trainer, 2),
    ):
        with pytest.raises(UsageError, match="compress"):
            doing()
    assert all((a == b).all() for a, b in zip(weights(net), before))
    one = small()  # there is no kvstore on one context, so nothing is compressed
    trainer = gluon.Trainer(one.collect_params(), "sgd", compression_params={"type": "2bit"})
    for _ in range(2):
        assert len(LRFinder(Learner(one, [BATCH], CPU, LOSS, trainer)).find(1e-3, 2, progress=False)) > 1
        step(one, trainer)


def test_layers_that_were_frozen_are_right_on_the_kvstore_when_they_train_again(tmp_path):
    net = small(TWO, frozen=True)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    step(net, trainer, TWO)
    snapshot.save(tmp_path / "kept.npz", net, trainer)
    again = small(TWO, seed=1, frozen=True)
    other = gluon.Trainer(again.collect_params(), "sgd", {"learning_rate": 0.1})
    snapshot.load(tmp_path / "kept.npz", again, other)
    for one, its in ((net, trainer), (again, other)):
        one[0].collect_params().setattr("grad_req", "write")
        step(one, its, TWO)
    assert all((a == b).all() for a, b in zip(weights(net), weights(again)))


def test_what_was_unfrozen_in_a_preserved_block_does_not_come_back():
    net = small(TWO, frozen=True)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})
    step(net, trainer, TWO)
    before = weights(net)
    with preserved(net, trainer):
        net[0].collect_params().setattr("grad_req", "write")
        for _ in range(5):
            step(net, trainer, TWO)
    net[0].collect_params().setattr("grad_req", "write")
    trainer.set_learning_rate(0)
    step(net, trainer, TWO)
    assert all((a == b).all() for a, b in zip(weights(net), before))


def test_accuracies_of_an_iterator_that_uses_its_memory_again(tmp_path):
    classes = np.random.RandomState(1).randint(0, 4, 640)
    np.savetxt(tmp_path / "d.csv", np.eye(4)[classes], delimiter=",")
    np.savetxt(tmp_path / "l.csv", classes, delimiter=",")
    net = gluon.nn.Dense(4, use_bias=False, in_units=4)
    net.initialize()
    net.weight.set_data(10 * mx.nd.eye(4))
    names = {"data_csv": str(tmp_path / "d.csv"), "label_csv": str(tmp_path / "l.csv")}
    iterator = mx.io.CSVIter(data_shape=(4,), label_shape=(1,), batch_size=16, **names)
    assert evaluate(net, iterator, LOSS, CPU)[1] == 1.0
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.0})
    assert train(net, iterator, iterator, 1, LOSS, trainer, CPU).train_acc == [1.0]


class Unfreeze:
    def __init__(self, net, at):
        self.net, self.at = net, at

    def apply(self, trainer, t):
        if t == self.at:
            self.net[0].collect_params().setattr("grad_req", "write")


@pytest.mark.parametrize("at_once", [8, 16])
def test_slices_add_up_also_in_a_layer_that_is_unfrozen_on_the_way(at_once):
    found = []
    for size in (None, at_once):
        net = small(frozen=True)
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})
        train(net, [BATCH], [BATCH], 4, LOSS, trainer, CPU, at_once=size, schedules=[Unfreeze(net, 2)])
        found.append(weights(net))
        assert {p.grad_req for p in net.collect_params().values()} == {"write"}
    for whole, sliced in zip(*found):
        np.testing.assert_allclose(sliced, whole, atol=1e-6)  # rounding of sums of 32 numbers near 1


def test_a_layer_that_is_frozen_on_the_way_stays_so():
    net = small()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})

    def freeze(history):
        net[0].collect_params().setattr("grad_req", "null")

    train(net, [BATCH], [BATCH], 2, LOSS, trainer, CPU, at_once=8, on_epoch=freeze)
    assert {p.grad_req for p in net[0].collect_params().values()} == {"null"}
    assert {p.grad_req for p in net[1].collect_params().values()} == {"write"}


@pytest.mark.parametrize("name", ["sgd", "nag", "lbsgd", "adaptiveheavyball", "adaptiveheavyball on a kvstore"])
@pytest.mark.parametrize("ctx", [CPU, TWO], ids=["one", "two"])
def test_old_steps_go_on_at_the_searchs_rate(name, ctx):
    import gluon_lr.optimizers  # noqa: F401  registers the last one

    net = small(ctx)
    options = {"learning_rate": 0.1} if "ball" in name else {"learning_rate": 0.5, "momentum": 0.9}
    own = {"update_on_kvstore": False} if name == "adaptiveheavyball" else {}
    trainer = gluon.Trainer(net.collect_params(), name.split(" ")[0], options, **own)
    for _ in range(4):
        step(net, trainer, ctx)
    result = LRFinder(Learner(net, [BATCH], ctx, LOSS, trainer)).find(1e-7, 1.1, max_updates=20, progress=False)
    assert np.ptp(result.losses) < 1e-4, "rates below 1e-6 do not move the loss"


def test_numbers_of_an_optimizer_on_parameter_servers_are_out_of_reach():
    net = small()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"momentum": 0.9}, kvstore="dist_sync")
    for schedule in (HyperparameterSchedule("momentum", 0.5), RescaleMomentum()):
        with pytest.raises(UsageError, match="update_on_kvstore=False"):
            schedule.apply(trainer, 1)
    assert trainer.optimizer.momentum == 0.9


class Noam(mx.lr_scheduler.LRScheduler):
    """It has no rate at 0, which no training asks for."""

    def __call__(self, t):
        return 0.05 * min(t**-0.5, t * 20**-1.5)


def test_a_schedule_that_begins_at_1_is_searched_tuned_and_rescaled():
    for optimizer in ("adam", "sgd"):
        net = small()
        trainer = gluon.Trainer(net.collect_params(), optimizer, {"lr_scheduler": Noam()})
        finder = LRFinder(Learner(net, [BATCH], CPU, LOSS, trainer))
        assert len(finder.find(1e-4, 1.5, progress=False)) > 5
        assert finder.tune(40, progress=False) is not None
        RescaleMomentum().apply(trainer, 1)
        history = train(net, [BATCH], [BATCH], 2, LOSS, trainer, CPU, schedules=[RescaleMomentum()])
        assert len(history) == 2
        finder.find(1e-4, 1.5, progress=False)


class OwnOrder:
    """A loader with a generator of its own, within a sampler."""

    def __init__(self, generator, shuffle):
        self.sampler = {"generator": generator}
        self.shuffle = shuffle

    def __iter__(self):
        order = np.arange(32)
        self.shuffle(self.sampler["generator"], order)
        for chosen in order.reshape(4, 8):
            yield mx.nd.array(X[chosen]), mx.nd.array(Y[chosen])


@pytest.mark.parametrize(
    "make",
    [
        lambda: OwnOrder(np.random.default_rng(0), lambda g, order: g.shuffle(order)),
        lambda: OwnOrder(np.random.RandomState(0), lambda g, order: g.shuffle(order)),
        lambda: OwnOrder(random.Random(0), lambda g, order: g.shuffle(order)),
    ],
    ids=["Generator", "RandomState", "Random"],
)
def test_a_search_leaves_a_loaders_own_generator_as_it_was(make):
    found = []
    for search in (False, True):
        net, loader = small(), make()
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
        if search:
            LRFinder(Learner(net, loader, CPU, LOSS, trainer)).find(1e-4, 2, progress=False)
        train(net, loader, [BATCH], 2, LOSS, trainer, CPU)
        found.append(weights(net))
    assert all((a == b).all() for a, b in zip(*found))


class Counting:
    """The chapter's kind of scheduler: its rate falls at each call."""

    def __init__(self):
        self.base_lr = 1.0

    def __call__(self, t):
        self.base_lr *= 0.9
        return self.base_lr


def test_a_scheduler_that_counts_its_calls_is_asked_once_an_update():
    import gluon_lr.optimizers  # noqa: F401

    for name, schedules in (("plainsgd", ()), ("plainsgd", [ScheduledWeightDecay(0.0)]), ("adaptiveheavyball", ())):
        net, scheduler = small(), Counting()
        trainer = gluon.Trainer(net.collect_params(), name, {"lr_scheduler": scheduler}, update_on_kvstore=False)
        train(net, [BATCH] * 5, [BATCH], 1, LOSS, trainer, CPU, schedules=list(schedules))
        assert scheduler.base_lr == pytest.approx(0.9**5), (name, schedules)


def test_two_trainings_in_threads_leave_denormals_as_they_were():
    def product():
        return float((mx.nd.array([1e-30]) * 1e-10).asscalar())

    assert product() > 0
    begun, over = threading.Event(), threading.Event()

    def longer():
        with denormals_as_zero([CPU]):
            begun.set()
            over.wait(60)
            assert product() == 0

    with denormals_as_zero([CPU]) as possible:
        if not possible:
            pytest.skip("denormals cannot be flushed on this machine")
        other = threading.Thread(target=longer)
        other.start()
        begun.wait(60)
    assert product() == 0, "the other training is not over"
    over.set()
    other.join(60)
    assert product() > 0


def test_a_frozen_net_may_have_a_loss_that_learns():
    class Scaled(gluon.loss.Loss):
        def __init__(self):
            super().__init__(1.0, 0)
            self.factor = self.params.get("factor", shape=(1,), init=mx.init.One())

        def forward(self, output, label):
            return LOSS(output * self.factor.data(), label)

    net, loss = small(), Scaled()
    net.collect_params().setattr("grad_req", "null")
    loss.initialize()
    trainer = gluon.Trainer(loss.collect_params(), "sgd", {"learning_rate": 0.1})
    train(net, [BATCH], [BATCH], 1, loss, trainer, CPU)
    assert loss.factor.data().asscalar() != 1
    assert len(LRFinder(Learner(net, [BATCH], CPU, loss, trainer)).find(1e-3, 2, progress=False)) > 1
    frozen = gluon.Trainer(net.collect_params(), "sgd")
    for one in (LOSS, loss):
        with pytest.raises(UsageError, match="nothing to train"):
            train(net, [BATCH], [BATCH], 1, one, frozen, CPU)
        with pytest.raises(UsageError, match="nothing to train"):
            Learner(net, [BATCH], CPU, one)


def test_a_search_goes_past_what_it_cannot_look_into():
    class Odd(list):
        pass

    class Gone:
        @property
        def __dict__(self):
            raise RuntimeError("not bound")

    loader, target = Odd([BATCH]), Odd()
    loader.parts = [random.SystemRandom(), weakref.proxy(target), Gone(), np.random.RandomState(np.random.PCG64(1))]
    del target
    net = small()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    assert len(LRFinder(Learner(net, loader, CPU, LOSS, trainer)).find(1e-3, 2, progress=False)) > 1


def test_a_scheduler_that_cannot_be_copied_is_asked_itself():
    class Locked(mx.lr_scheduler.LRScheduler):
        def __init__(self):
            super().__init__()
            self.lock = threading.Lock()

        def __call__(self, t):
            return 0.1

    class Drawing(Locked):
        def __init__(self):
            super().__init__()
            self.rates = iter([0.1, 0.05, 0.025])

        def __call__(self, t):
            return next(self.rates)

    net = small()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"lr_scheduler": Locked()})
    train(net, [BATCH], [BATCH], 1, LOSS, trainer, CPU, schedules=[ScheduledWeightDecay(1e-3)])
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"lr_scheduler": Drawing()})
    with pytest.raises(UsageError, match="cannot be copied"):
        ScheduledWeightDecay(1e-3).apply(trainer, 1)


def test_a_loader_whose_epoch_is_a_method_keeps_it():
    class Loader(list):
        def epoch(self):
            return "mine"

    net, loader = small(), Loader([BATCH])
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    LRFinder(Learner(net, loader, CPU, LOSS, trainer)).find(1e-3, 2, progress=False)
    train(net, loader, loader, 2, LOSS, trainer, CPU)
    assert loader.epoch() == "mine"
