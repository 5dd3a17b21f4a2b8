"""Walks over an energy: the same updates descend to a minimum or sample a distribution, as optimizer and rate say."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np


def walk(
    energy: Callable[[Any], Any], optimizer: str, scheduler: Any, updates: int, walkers: int = 50, seed: int = 0
) -> np.ndarray:
    """Many independent walkers on a line, each moved by the optimizer along its own energy's gradient.

    With MXNet's ``sgld`` an update is θ ← θ − η/2 · U′(θ) + √η · ξ, ξ standard normal: the positions follow exp(−U),
    the better the smaller the rate is; they do not settle, however far it falls. With ``sgd`` they descend; and where
    the gradient is noisy, as a batch's is, its noise enters with η instead of √η: then the rate is the temperature.

    Args:
        energy: U, from positions of shape ``(walkers,)`` to as many energies; it may draw.
        optimizer: a name that MXNet knows.
        scheduler: of the rate η, counted in updates.
        updates: how many.
        walkers: default 50; they begin at normal positions of deviation 2.
        seed: of the beginning and the noise; default 0.

    Returns:
        The positions after each update, shape ``(updates, walkers)``.

    Source: Welling and Teh (2011), Bayesian learning via stochastic gradient Langevin dynamics.

    Example:
        >>> from gluon_lr import ConstantScheduler
        >>> positions = walk(lambda theta: theta**2 / 2, "sgd", ConstantScheduler(0.5), updates=20)
        >>> bool(abs(positions[-1]).max() < 1e-4)
        True
    """
    import mxnet as mx

    mx.random.seed(seed)
    theta = mx.gluon.Parameter("theta", shape=(walkers,), init=mx.init.Normal(2.0))
    theta.initialize()
    trainer = mx.gluon.Trainer({"theta": theta}, optimizer, {"lr_scheduler": scheduler})
    positions = []
    for _ in range(updates):
        with mx.autograd.record():
            total = energy(theta.data()).sum()
        total.backward()
        trainer.step(1)
        positions.append(theta.data().copy())
    return mx.nd.stack(*positions).asnumpy()
