"""``python -m gluon_lr.compat``: what this machine has, and which patches MXNet needs on it."""

from __future__ import annotations

import argparse
import platform
import sys
from typing import List, Optional

from ..errors import MissingDependencyError
from . import AFTER, BEFORE, NEWEST_NUMPY, applied

_DESCRIPTION = "Say what this machine has, and which patches MXNet needs on it. Writes nothing; takes seconds."


def _update_once() -> str:
    import mxnet as mx
    from mxnet import autograd, gluon

    net = gluon.nn.Dense(1, in_units=2)
    net.initialize(mx.init.One())
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    losses = []
    for _ in range(2):
        with autograd.record():
            loss = (net(mx.nd.array([[1, 2]])) ** 2).sum()
        loss.backward()
        trainer.step(1)
        losses.append(loss.asnumpy().item())
    return f"MXNet {mx.__version__} imports; an update took a loss of {losses[0]:.4g} to {losses[1]:.4g}"


def main(argv: Optional[List[str]] = None) -> int:
    """Print what this machine has and which patches it needs; 0 where MXNet imports and trains."""
    parser = argparse.ArgumentParser("python -m gluon_lr.compat", description=_DESCRIPTION)
    parser.parse_args(argv)
    print(f"Python {platform.python_version()}, {platform.system()}, {platform.machine()}")
    try:
        import numpy as np

        print(f"NumPy {np.__version__}, tested up to {'.'.join(map(str, NEWEST_NUMPY))}")
        done = _update_once()
    except Exception as error:
        name = "" if isinstance(error, MissingDependencyError) else f"MXNet fails with {type(error).__name__}: "
        print(f"gluon_lr.compat: {name}{error}", file=sys.stderr)
        return 1
    for patch in BEFORE + AFTER:
        word = applied[patch.__name__]
        print(f"{'applied' if word else 'not needed':10}  {patch.__doc__}" + (f"\n{'':12}→ {word}" if word else ""))
    print(done)
    return 0


if __name__ == "__main__":
    sys.exit(main())
