"""Mini-batches: what is served, in which order, and what is refused."""

import itertools

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gluon_lr.data import ArrayBatches, ContinuousBatchSampler, load_data_cifar10, load_data_fashion_mnist
from gluon_lr.data.batches import normalize_cifar10, to_unit
from gluon_lr.errors import UsageError


def _served(batches):
    return np.concatenate([y.asnumpy() for _, y in batches]).astype(int).tolist()


@given(n=st.integers(1, 60), size=st.integers(1, 70), seed=st.integers(0, 5), epoch=st.integers(0, 3))
def test_an_epoch_serves_every_example_once_in_an_order_of_its_own(n, size, seed, epoch):
    batches = ArrayBatches(np.zeros((n, 1), np.uint8), np.arange(n), size, shuffle=True, seed=seed)
    batches.epoch = epoch
    assert len(batches) == -(-n // size)
    served = _served(batches)
    assert sorted(served) == list(range(n))
    assert served == batches.order(epoch).tolist()
    assert batches.epoch == epoch + 1


def test_orders_differ_between_epochs_and_seeds_and_come_again():
    batches = ArrayBatches(np.zeros((100, 1), np.uint8), np.arange(100), 7, shuffle=True, seed=1)
    first, second = _served(batches), _served(batches)
    assert first != second
    batches.epoch = 1
    assert _served(batches) == second
    assert ArrayBatches(np.zeros((100, 1), np.uint8), np.arange(100), 7, True, seed=2).order(0).tolist() != first


def test_batches_come_in_the_users_mode(front_end):
    X, y = next(iter(ArrayBatches(np.full((2, 3), 255, np.uint8), np.arange(2), 2)))
    assert isinstance(X, mx.np.ndarray) == (front_end == "np")
    assert X.asnumpy().tolist() == [[1, 1, 1], [1, 1, 1]]
    assert y.asnumpy().tolist() == [0, 1]


def test_what_cannot_be_batched_is_refused():
    images = np.zeros((3, 1), np.uint8)
    for arguments in ((images, np.arange(2), 1), (images[:0], np.arange(0), 1), (images, np.arange(3), 0)):
        with pytest.raises(UsageError, match=r"expected|at least"):
            ArrayBatches(*arguments)


def test_transforms_are_those_of_gluon(fashion, cifar):
    transforms = mx.gluon.data.vision.transforms
    image = fashion[0][0]
    theirs = transforms.ToTensor()(mx.nd.array(image.transpose(1, 2, 0), dtype="uint8")).asnumpy()
    assert np.array_equal(to_unit(image), theirs)
    colour = cifar[0][:1]
    chain = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010])]
    )
    theirs = chain(mx.nd.array(colour[0].transpose(1, 2, 0), dtype="uint8")).asnumpy()
    # Gluon multiplies by 1/std where we divide: the last bit may differ.
    np.testing.assert_allclose(normalize_cifar10(colour)[0], theirs, rtol=3e-7, atol=3e-7)


def test_loaders_of_the_two_datasets():
    train, test = load_data_fashion_mnist(256, limit=600)
    X, y = next(iter(train))
    assert (X.shape, y.shape, len(train), len(test)) == ((256, 1, 28, 28), (256,), 3, 1)
    train, _ = load_data_cifar10(128, limit=300)
    X, y = next(iter(train))
    assert (X.shape, y.shape, len(train)) == ((128, 3, 32, 32), (128,), 3)


@given(n=st.integers(1, 20), size=st.integers(1, 50), batches=st.integers(1, 10))
def test_continuous_batches_are_full_and_go_round_the_sampler(n, size, batches):
    sampler = mx.gluon.data.SequentialSampler(n)
    got = list(itertools.islice(ContinuousBatchSampler(sampler, size), batches))
    assert [len(batch) for batch in got] == [size] * batches
    assert list(itertools.chain(*got)) == [i % n for i in range(size * batches)]


def test_continuous_batches_drive_a_data_loader():
    data = mx.gluon.data.ArrayDataset(np.arange(5).astype("float32"))
    loader = mx.gluon.data.DataLoader(data, batch_sampler=ContinuousBatchSampler(mx.gluon.data.RandomSampler(5), 3))
    seen = np.concatenate([batch.asnumpy() for batch in itertools.islice(loader, 5)])
    assert np.bincount(seen.astype(int)).tolist() == [3] * 5


def test_an_empty_sampler_is_refused_rather_than_waited_for():
    with pytest.raises(UsageError, match="empty"):
        next(iter(ContinuousBatchSampler([], 2)))
    with pytest.raises(UsageError, match="batch_size"):
        ContinuousBatchSampler([1], 0)


@pytest.mark.parametrize("wrong", [-1.25, 0.5, 256.0, np.nan, np.inf])
def test_numbers_that_are_no_bytes_are_refused_unless_a_transform_is_given(wrong):
    """Features of about one, divided by 255 without a word, train nothing."""
    features = np.array([[3.0, wrong], [300.0, 2.0]])
    with pytest.raises(UsageError, match=rf"images hold {wrong}, which is no byte.*transform=lambda x: x"):
        ArrayBatches(features, np.arange(2), batch_size=2)
    ((X, _),) = ArrayBatches(features.astype("float32"), np.arange(2), batch_size=2, transform=lambda x: x)
    assert np.array_equal(X.asnumpy(), features.astype("float32"), equal_nan=True)


@pytest.mark.parametrize("form", [list, tuple, mx.nd.array, np.asarray])
def test_lists_and_mxnets_arrays_are_served_as_numpys_are(form):
    batches = ArrayBatches(form([[1.5, 2.0], [3.0, 4.0], [5.0, 6.0]]), form([0, 1, 2]), 2, transform=lambda x: x)
    served = [(X.asnumpy().tolist(), y.asnumpy().tolist()) for X, y in batches]
    assert served == [([[1.5, 2.0], [3.0, 4.0]], [0.0, 1.0]), ([[5.0, 6.0]], [2.0])]
    with pytest.raises(UsageError, match="which is no byte"):
        ArrayBatches(form([[1.5, 2.0]]), form([0]), 1)
