"""Batches of every form through train, evaluate and Learner: one hook, sensible metrics, and no silent number."""

import math

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon

from gluon_lr import Learner, LRFinder, evaluate, train
from gluon_lr.data.forms import call, each, length, shards, unpack_pair
from gluon_lr.errors import UsageError

DRAW = np.random.default_rng(5)
X = DRAW.normal(size=(24, 4)).astype("float32")
CLASSES = X[:, :3].argmax(1).astype("float32")
CE = gluon.loss.SoftmaxCrossEntropyLoss()


def loader(*arrays, size=8):
    return [tuple(mx.nd.array(a[i : i + size]) for a in arrays) for i in range(0, len(arrays[0]), size)]


def trained(net, batches, loss=CE, epochs=2, **hooks):
    if not net.collect_params() or all(p._data is None for p in net.collect_params().values()):
        mx.random.seed(3)
        net.initialize(mx.init.Xavier())
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    return train(net, batches, batches, epochs, loss, trainer, mx.cpu(), **hooks)


class TwoInputs(gluon.HybridBlock):
    """Takes two arrays as arguments of their own."""

    def __init__(self):
        super().__init__()
        self.out = gluon.nn.Dense(3)

    def hybrid_forward(self, F, a, b):
        return self.out(F.concat(a, b, dim=1))


class OnePair(gluon.Block):
    """Takes one argument: a pair of arrays."""

    def __init__(self):
        super().__init__()
        self.out = gluon.nn.Dense(3)

    def forward(self, pair):
        return self.out(mx.nd.concat(*pair, dim=1))


class TwoHeads(gluon.HybridBlock):
    def __init__(self):
        super().__init__()
        self.first, self.second = gluon.nn.Dense(3), gluon.nn.Dense(1)

    def hybrid_forward(self, F, x):
        return self.first(x), self.second(x)


def own_loop(net, batches, loss, epochs=2):
    """What a user would write by hand; the mean loss of each epoch."""
    mx.random.seed(3)
    net.initialize(mx.init.Xavier())
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    means = []
    for _ in range(epochs):
        total = 0.0
        for inputs, target in batches:
            with autograd.record():
                losses = loss(call(net, inputs), target)
            losses.backward()
            trainer.step(len(losses))
            total += losses.sum().asnumpy().item()
        means.append(total / 24)
    return means


@pytest.mark.parametrize("kind", [TwoInputs, OnePair])
def test_a_tuple_of_inputs_trains_like_a_loop_by_hand(kind):
    batches = [((X1, X2), y) for X1, X2, y in loader(X[:, :2], X[:, 2:], CLASSES)]
    history = trained(kind(), batches)
    np.testing.assert_allclose(history.train_loss, own_loop(kind(), batches, CE), rtol=1e-6)
    assert 0 < history.train_acc[-1] <= 1
    learner = Learner(kind(), batches, mx.cpu())
    assert math.isfinite(learner.iteration(0.1))


@pytest.mark.parametrize("hybrid", [False, True])
def test_a_sequential_net_hands_a_pair_to_its_first_layer(hybrid):
    net = gluon.nn.Sequential()
    net.add(OnePair(), gluon.nn.Dense(3))
    if hybrid:
        net = TwoInputs()
        net.hybridize()
    net.initialize()
    assert call(net, [mx.nd.ones((2, 3)), mx.nd.ones((2, 3))]).shape == (2, 3)


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        ((1, 2, 3), r"3 items.*unpack=lambda batch: \(\(batch\[0\], batch\[1\],\), batch\[2\]\) for several inputs"),
        ((1, 2, 3), r"or unpack=lambda batch: \(batch\[0\], \(batch\[1\], batch\[2\]\)\) for several labels"),
        ({"text": 1, "label": 2}, r"a dict of 'text', 'label'.*batch\['text'\], batch\['label'\]"),
        (np.ones(3), "a ndarray"),
        ((), "0 items"),
    ],
)
def test_another_form_is_refused_with_the_line_to_write(batch, says):
    with pytest.raises(UsageError, match=says):
        unpack_pair(batch)


def test_dicts_and_triples_train_through_one_hook():
    flat = loader(X[:, :2], X[:, 2:], CLASSES)
    named = [{"a": a, "b": b, "y": y} for a, b, y in flat]
    pairs = [((a, b), y) for a, b, y in flat]
    expected = trained(TwoInputs(), pairs).train_loss
    assert trained(TwoInputs(), flat, unpack=lambda b: ((b[0], b[1]), b[2])).train_loss == expected
    by_name = {"unpack": lambda b: ((b["a"], b["b"]), b["y"])}
    assert trained(TwoInputs(), named, **by_name).train_loss == expected
    net = TwoInputs()
    learner = Learner(net, named, mx.cpu(), **by_name)
    before = net.out.weight.data().asnumpy()
    LRFinder(learner).find(lr_start=1e-4, progress=False)
    assert (net.out.weight.data().asnumpy() == before).all()
    assert evaluate(net, named, CE, mx.cpu(), **by_name) == evaluate(net, pairs, CE, mx.cpu())


def test_an_iterator_of_mxnets_serves_every_epoch_and_no_example_twice():
    """21 examples in batches of 8: MXNet fills the last batch up with the first three."""
    plain = loader(X[:21], CLASSES[:21])
    theirs = mx.io.NDArrayIter(X[:21], CLASSES[:21], 8)
    expected = trained(gluon.nn.Dense(3), plain)
    found = trained(gluon.nn.Dense(3), theirs)
    assert found.train_loss == expected.train_loss
    assert found.test_acc == expected.test_acc
    assert math.isfinite(Learner(gluon.nn.Dense(3), theirs, mx.cpu()).iteration(0.1))


def test_several_outputs_with_a_loss_for_each():
    batches = [(x, (y, z)) for x, y, z in loader(X, CLASSES, X[:, :1])]
    l2 = gluon.loss.L2Loss()

    def both(outputs, targets):
        return [CE(outputs[0], targets[0]), l2(outputs[1], targets[1])]

    def added(outputs, targets):
        return CE(outputs[0], targets[0]) + l2(outputs[1], targets[1])

    first, second = (trained(TwoHeads(), batches, loss) for loss in (both, added))
    assert first.train_loss == second.train_loss
    assert math.isnan(first.train_acc[-1])

    def right(outputs, targets):
        return outputs[0].argmax(axis=1) == targets[0]

    watched = trained(TwoHeads(), batches, both, batch_metric=right)
    assert watched.train_loss == first.train_loss
    assert 0 < watched.train_acc[-1] <= 1
    with pytest.raises(UsageError, match="gives 2 outputs, and SoftmaxCrossEntropyLoss takes one: give a loss"):
        Learner(TwoHeads(), loader(X, CLASSES), mx.cpu()).iteration()
    with pytest.raises(UsageError, match="metric <lambda> gives a float: expected an array"):
        trained(TwoHeads(), batches, both, batch_metric=lambda outputs, targets: 0.5)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, r"one\(outputs\[0\], labels\[0\]\) \+ other\(outputs\[1\], labels\[1\]\)"),
        ({"loss": lambda a, b, y, z: CE(a, y) + CE(b, z)}, r"cannot be called with \(outputs, targets\).*'y'"),
        ({"loss": lambda outputs: CE(outputs[0], outputs[0])}, r"cannot be called with \(outputs, targets\)"),
        ({"loss": lambda outputs, labels: CE(outputs[0], labels[0]).mean()}, r"broadcast_to\(\(len\(label\[0\]\),\)\)"),
        ({"unpack": lambda batch: batch}, r"unpack gives 3 items: expected a pair \(inputs, targets\)"),
        ({"unpack": lambda batch: batch[0]}, r"unpack gives a NDArray: expected a pair"),
    ],
)
def test_two_heads_with_two_labels_are_told_what_to_write(arguments, says):
    batches = [(X_, y, y) for X_, y in loader(X, CLASSES)]
    wanted = {"unpack": lambda batch: (batch[0], (batch[1], batch[2])), **arguments}
    with pytest.raises(UsageError, match=says):
        Learner(TwoHeads(), batches, mx.cpu(), **wanted).iteration()
    if "loss" in arguments or "unpack" in arguments:
        loss = arguments.get("loss", lambda outputs, labels: CE(outputs[0], labels[0]))
        with pytest.raises(UsageError, match=says):
            trained(TwoHeads(), batches, loss, unpack=wanted["unpack"])


def test_a_type_error_of_the_loss_itself_is_not_hidden():
    def wrong(outputs, labels):
        return outputs[0] + "text"

    with pytest.raises(TypeError, match=r"text|unsupported|str"):
        trained(TwoHeads(), [(X_, (y, y)) for X_, y in loader(X, CLASSES)], wrong)


def test_a_loss_inside_the_net_needs_no_labels():
    class WithLoss(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.out = gluon.nn.Dense(3)

        def hybrid_forward(self, F, x, y):
            return -F.pick(F.log_softmax(self.out(x)), y)

    inside = {"unpack": lambda batch: ((batch[0], batch[1]), None)}
    history = trained(WithLoss(), loader(X, CLASSES), lambda output, _: output, **inside)
    np.testing.assert_allclose(history.train_loss, trained(gluon.nn.Dense(3), loader(X, CLASSES)).train_loss, rtol=1e-6)
    assert math.isnan(history.test_acc[-1])


SOFT = 0.9 * np.eye(3, dtype="float32")[CLASSES.astype(int)] + 0.1 / 3


@pytest.mark.parametrize(
    ("targets", "loss", "units"),
    [
        (SOFT, gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=False), 3),
        (np.eye(3, dtype="float32")[CLASSES.astype(int)], gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=False), 3),
        ((X[:, :3] > 0).astype("float32"), gluon.loss.SigmoidBCELoss(), 3),
        (X[:, :2], gluon.loss.L2Loss(), 2),
        (X[:, :1], gluon.loss.HuberLoss(), 1),
        (X[:, 0], gluon.loss.L1Loss(), 1),
        (0.3 * X[:, 0], lambda output, y: (output[:, 1] - y) ** 2, 2),
    ],
)
def test_targets_that_are_no_classes_train_and_have_no_accuracy(targets, loss, units):
    history = trained(gluon.nn.Dense(units), loader(X, targets), loss, epochs=3)
    assert history.train_loss[-1] < history.train_loss[0]
    assert all(math.isnan(value) for value in (*history.train_acc, *history.test_acc))


def test_accuracy_is_a_share_of_labels_whatever_their_shape():
    flat = trained(gluon.nn.Dense(3), loader(X, CLASSES))
    column = trained(gluon.nn.Dense(3), loader(X, CLASSES[:, None]))
    assert column.train_acc == flat.train_acc
    assert column.test_acc == flat.test_acc
    images = DRAW.normal(size=(24, 2, 5, 6)).astype("float32")
    pixels = (images[:, 0] > 0).astype("float32")
    by_pixel = gluon.loss.SoftmaxCrossEntropyLoss(axis=1)
    net = gluon.nn.Conv2D(2, 1)
    history = trained(net, loader(images, pixels), by_pixel)
    right = (net(mx.nd.array(images)).asnumpy().argmax(1) == pixels).mean()
    assert history.test_acc[-1] == pytest.approx(right, abs=1e-12)
    words = DRAW.normal(size=(24, 7, 4)).astype("float32")
    tags = words[:, :, :3].argmax(2).astype("float32")
    tagger = gluon.nn.Dense(3, flatten=False)
    history = trained(tagger, loader(words, tags))
    right = (tagger(mx.nd.array(words)).asnumpy().argmax(2) == tags).mean()
    assert history.test_acc[-1] == pytest.approx(right, abs=1e-12)


def test_a_derived_loss_may_ignore_labels_and_gluons_own_may_not():
    class Ignoring(gluon.loss.SoftmaxCrossEntropyLoss):
        def hybrid_forward(self, F, output, label, sample_weight=None):
            return -F.pick(F.log_softmax(output), F.maximum(label, 0)) * (label >= 0)

    labels = CLASSES.copy()
    labels[::3] = -1
    net = gluon.nn.Dense(3)
    history = trained(net, loader(X, labels), Ignoring())
    known = labels >= 0
    right = (net(mx.nd.array(X)).asnumpy().argmax(1) == labels)[known].mean()
    assert history.test_acc[-1] == pytest.approx(right, abs=1e-12)
    assert math.isfinite(Learner(gluon.nn.Dense(3), loader(X, labels), mx.cpu(), Ignoring()).iteration())
    for refused in (lambda: trained(gluon.nn.Dense(3), loader(X, labels)),
                    lambda: Learner(gluon.nn.Dense(3), loader(X, labels), mx.cpu()).iteration()):  # fmt: skip
        with pytest.raises(UsageError, match="a label is -1"):
            refused()


@pytest.mark.parametrize("front_end", ["nd", "np"], indirect=True)
def test_one_number_for_a_batch_is_refused_everywhere(front_end):
    batches = loader(X, CLASSES)
    if front_end == "np":
        batches = [tuple(array.as_np_ndarray() for array in batch) for batch in batches]
    net = gluon.nn.Dense(3)
    net.initialize()
    for wrong in (lambda output, y: CE(output, y).mean(), lambda output, y: CE(output, y).sum()):
        trainer = gluon.Trainer(net.collect_params(), "sgd")
        for refused in (
            lambda loss=wrong, trainer=trainer: train(net, batches, batches, 1, loss, trainer, mx.cpu()),
            lambda loss=wrong: evaluate(net, batches, loss, mx.cpu()),
            lambda loss=wrong, trainer=trainer: Learner(net, batches, mx.cpu(), loss, trainer).iteration(),
        ):
            with pytest.raises(UsageError, match="one number for a batch of 8: expected one an example"):
                refused()
    with pytest.raises(UsageError, match="gives a float: expected an array"):
        evaluate(net, batches, lambda output, y: 1.0, mx.cpu())


def test_the_spread_mean_that_the_refusal_names_trains_as_a_mean_does():
    mean = trained(
        gluon.nn.Dense(3), loader(X, CLASSES), lambda output, y: CE(output, y).mean().broadcast_to((len(y),))
    )
    np.testing.assert_allclose(mean.train_loss, trained(gluon.nn.Dense(3), loader(X, CLASSES)).train_loss, rtol=1e-6)


def test_at_once_leaves_gradients_as_they_were_also_when_it_raises():
    for at_once in (None, 3):
        net = gluon.nn.Dense(3)
        trained(net, loader(X, CLASSES), at_once=at_once)
        assert net.weight.grad_req == "write"
        later = trained(net, loader(X, CLASSES)).train_loss
        if at_once is None:
            expected = later
    np.testing.assert_allclose(later, expected, rtol=1e-5)
    with pytest.raises(UsageError, match="one number"):
        trained(net, loader(X, CLASSES), lambda output, y: CE(output, y).sum(), at_once=3)
    assert net.weight.grad_req == "write"


def test_a_batch_smaller_than_the_contexts_is_refused_in_those_words():
    net = gluon.nn.Dense(3, in_units=4)
    contexts = [mx.cpu(0), mx.cpu(1)]
    net.initialize(ctx=contexts)
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    batches = loader(X[:9], CLASSES[:9])
    for refused in (lambda: train(net, batches, batches, 1, CE, trainer, contexts),
                    lambda: evaluate(net, batches, CE, contexts)):  # fmt: skip
        with pytest.raises(UsageError, match=r"a batch of 1 cannot be split over 2 contexts.*discard"):
            refused()


def test_nested_values_keep_their_form():
    value = ({"a": 1, "b": [2, 3]}, None)
    assert each(lambda x: 10 * x, value) == ({"a": 10, "b": (20, 30)}, None)
    assert length({"x": np.ones((5, 2))}) == 5
    first, second = shards(({"x": mx.nd.arange(5)}, None), [mx.cpu(0), mx.cpu(1)])
    assert np.concatenate([first[0]["x"].asnumpy(), second[0]["x"].asnumpy()]).tolist() == [0, 1, 2, 3, 4]
    assert second[0]["x"].context == mx.cpu(1)


def test_schedules_go_on_where_the_trainer_is():
    class Noted:
        def __init__(self):
            self.seen = []

        def apply(self, trainer, t):
            self.seen.append(t)

    net, noted = gluon.nn.Dense(3), Noted()
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    batches = loader(X, CLASSES)
    for _ in range(2):
        train(net, batches, batches, 1, CE, trainer, mx.cpu(), schedules=[noted])
    assert noted.seen == [1, 2, 3, 4, 5, 6]
    another = gluon.Trainer(net.collect_params(), "sgd")  # a new trainer, and a history from a checkpoint
    history = train(net, batches, batches, 1, CE, another, mx.cpu())
    train(net, batches, batches, 2, CE, gluon.Trainer(net.collect_params(), "sgd"), mx.cpu(), history=history,
          schedules=[noted])  # fmt: skip
    assert noted.seen[6:] == [4, 5, 6]


def test_every_epoch_seeds_mxnet_anew_and_evaluation_drops_nothing():
    net = gluon.nn.Sequential()
    net.add(gluon.nn.Dropout(0.5), gluon.nn.Dense(3, in_units=4))
    net.initialize(mx.init.Xavier())
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.0})
    batches = loader(X, CLASSES)
    whole = train(net, batches, batches, 3, CE, trainer, mx.cpu(), seed=1)
    assert len(set(whole.train_loss)) == 3, "each epoch drops other inputs"
    assert len(set(whole.test_loss)) == 1, "evaluation drops none"
    begun = train(net, batches, batches, 1, CE, trainer, mx.cpu(), seed=1)
    mx.random.seed(99)  # what happens between the epochs does not matter
    assert train(net, batches, batches, 3, CE, trainer, mx.cpu(), seed=1, history=begun).train_loss == whole.train_loss
    with autograd.record():
        inside, _ = evaluate(net, batches, CE, mx.cpu())
    assert inside == whole.test_loss[0]


def test_numbers_of_numpy_and_mxnet_are_taken_and_others_named():
    batches = loader(X, CLASSES)
    history = trained(
        gluon.nn.Dense(3), batches, epochs=np.int64(2), at_once=np.int32(4), seed=mx.nd.array([3]).astype("int32")
    )
    assert len(history) == 2
    found = LRFinder(Learner(gluon.nn.Dense(3), batches, mx.cpu())).find(
        lr_start=np.float32(1e-3), lr_multiplier=mx.nd.array([2.0]), max_updates=np.int64(5), repeats=2.0,
        progress=False,
    )  # fmt: skip
    assert len(found) == 5
    assert len(found.repeats) == 2
    for wrong, says in (
        ({"max_updates": True}, "max_updates is True"),
        ({"smoothing": None}, "a NoneType: expected a number"),
        ({"repeats": np.float64(2.5)}, "whole number"),
        ({"lr_start": "1"}, "'1', a str"),
    ):
        with pytest.raises(UsageError, match=says):
            LRFinder(Learner(gluon.nn.Dense(3), batches, mx.cpu())).find(progress=False, **wrong)
