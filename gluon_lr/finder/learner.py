"""A net with its data, loss and trainer, able to do one update at a given rate."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Iterator, List, Optional, Sequence, Union

import mxnet as mx
from mxnet import autograd, gluon

from ..checks import contexts_of, has_shapes, named_batch, require_trainable
from ..data.forms import Unpack, call, shards, unpack_pair, unpacked
from ..data.loaders import passes
from ..errors import UsageError
from ..state.memory import parameters_of
from ..state.private import is_deferred, is_initialized, zero_gradient
from ..update import mean_loss, rate_set_to, update
from .trials import loader_preserved


class Learner:
    """Make one update at a time, at any rate, on data that never end.

    Args:
        net: a Gluon net of ``mx.nd`` or ``mx.np``. Parameters that are not initialized are, with Xavier; others stay.
        data_loader: anything of ``(data, label)`` that can be iterated again: a Gluon ``DataLoader``, continuous or
            not, :class:`~gluon_lr.data.ArrayBatches`, an iterator of ``mx.io``, a list. Other batches need ``unpack``.
        ctx: a context or a list of them to split each batch over; default the net's own, or the CPU.
        loss: a Gluon loss, or any function of the net's output and the targets that gives one loss an example, or a
            list of such, which are added up; default softmax cross-entropy.
        trainer: the net's ``gluon.Trainer``; default plain SGD at 0.001.
        unpack: a function from a batch to inputs and targets, as :func:`~gluon_lr.train` takes it.

    Attributes:
        net, ctx, trainer, loss: as given or made; ``loss_fn`` is the loss under the tutorial's name.
        iteration_loss: the last iteration's mean loss; None before the first.

    Raises:
        UsageError: the net is on another context, or there is nothing to train.

    Source: MXNet's *Learning Rate Finder* tutorial.

    Example:
        >>> net = gluon.nn.Dense(2)
        >>> learner = Learner(net, [(mx.nd.ones((4, 3)), mx.nd.zeros((4,)))], mx.cpu())
        >>> losses = [learner.iteration(lr=0.1) for _ in range(3)]
        >>> losses[2] < losses[0]
        True
        >>> learner.close()
    """

    def __init__(
        self,
        net: Any,
        data_loader: Any,
        ctx: Union[mx.Context, Sequence[mx.Context], None] = None,
        loss: Optional[Callable[..., Any]] = None,
        trainer: Optional[gluon.Trainer] = None,
        unpack: Unpack = unpack_pair,
    ) -> None:
        self.net = net
        self.data_loader = data_loader
        self.loss = gluon.loss.SoftmaxCrossEntropyLoss() if loss is None else loss
        self._contexts = contexts_of(net, ctx)
        self.ctx = self._contexts if isinstance(ctx, (list, tuple)) else self._contexts[0]
        self._batches: Optional[Iterator[Any]] = None
        self._held: List[Any] = []
        self.unpack = unpack
        self.iteration_loss: Optional[float] = None
        initialize_missing(net, self._contexts)
        self._give_shapes()
        require_trainable(net, trainer)
        self.trainer = (
            gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.001}) if trainer is None else trainer
        )
        self._parameters = list(parameters_of(net, self.trainer, (self.loss,)).values())

    @classmethod
    def from_estimator(cls, estimator: Any, data_loader: Any, unpack: Unpack = unpack_pair) -> "Learner":
        """A learner of what a ``gluon.contrib.estimator.Estimator`` trains: its net, loss, trainer and context."""
        return cls(estimator.net, data_loader, list(estimator.context), estimator.loss, estimator.trainer, unpack)

    @property
    def loss_fn(self) -> Callable[..., Any]:
        """The loss, under the tutorial's name."""
        return self.loss

    def iteration(self, lr: Optional[float] = None, take_step: bool = True) -> float:
        """One forward and backward pass on the next batch, and one update.

        Args:
            lr: the update's rate; default what the trainer has. A scheduler on the trainer is set aside for it.
            take_step: False leaves the parameters as they are.

        Returns:
            The batch's mean loss, before the update.

        Raises:
            UsageError: the loader has ended for good, the net cannot take the batch, or a label is out of range.
        """
        batch = self._next()
        for parameter in self._parameters:
            if parameter.grad_req == "add":
                zero_gradient(parameter)
        with rate_set_to(self.trainer, lr):
            done = update(
                self.net, self.loss, self.trainer, batch, self._contexts,
                unpack=self.unpack, take_step=take_step, check=True,
            )  # fmt: skip
        self.iteration_loss = mean_loss(done)
        return self.iteration_loss

    def close(self) -> None:
        """Close the loader's iterator and its worker processes; a generator that you passed in stays open."""
        if self._batches is not self.data_loader and hasattr(self._batches, "close"):
            self._batches.close()
        self._batches = None
        self._held.clear()

    @contextlib.contextmanager
    def batches_of_its_own(self) -> Iterator[None]:
        """Restart the loader in the block; afterwards go on at the old place."""
        batches, held = self._batches, self._held
        if not self._is_on_a_generator():  # which cannot start again
            self._batches, self._held = None, []
        try:
            yield
        finally:
            self.close()
            self._batches, self._held = batches, held

    def _next(self) -> Any:
        """The next batch; the loader starts again when it ends."""
        if self._held:
            return self._held.pop()
        for _ in range(2):
            if self._batches is None:
                self._batches = iter(passes(self.data_loader))
            batch = next(self._batches, None)
            if batch is not None:
                return batch
            self._batches = None
        raise UsageError(
            "the loader is empty, or a generator that cannot be begun again: give a DataLoader, a list, or anything "
            "that can be iterated more than once"
        )

    def _is_on_a_generator(self) -> bool:
        """Whether the loader is its own iterator and cannot begin again; MXNet's iterators can."""
        return self._batches is self.data_loader and not isinstance(self.data_loader, mx.io.DataIter)

    def _give_shapes(self) -> None:
        """Have deferred parameters initialized by a forward pass that does not train: BatchNorm's statistics stay."""
        if has_shapes(self.net):
            return
        with loader_preserved(self.data_loader):
            batch = self._next()
        if self._is_on_a_generator():
            self._held.append(batch)  # it yields each batch only once
        else:
            self.close()
        try:
            pair = unpacked(self.unpack, batch)
        except UsageError:
            if type(self).iteration is Learner.iteration:
                raise
            return  # an iteration of the user's own knows its batches: its first one gives the shapes
        with autograd.pause(), named_batch(pair):
            for inputs, _ in shards(pair, self._contexts):
                call(self.net, inputs)  # a whole batch: the net may need exactly this size
            # oneDNN reorders weights during a forward pass that does not train; if you read them before that is done,
            # you get half of each.
            mx.nd.waitall()


def initialize_missing(net: Any, contexts: Sequence[mx.Context]) -> None:
    """Initialize with Xavier's initialization what is not initialized yet; the rest stays."""
    for parameter in net.collect_params().values():
        if not is_initialized(parameter) and not is_deferred(parameter):
            parameter.initialize(default_init=mx.init.Xavier(), ctx=contexts)
