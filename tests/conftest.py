"""Real data, found or fetched once; each test leaves MXNet's array mode as it found it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

# One thread a process, as in a sweep's workers; it has to be said before MXNet is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "agg")

import gluon_lr  # noqa: F401  # before MXNet, which it patches for this Python

# isort: split
import mxnet as mx
import numpy as np
import pytest

from gluon_lr.data.batches import cifar10_arrays, fashion_mnist_arrays
from gluon_lr.data.fetch import obtain
from gluon_lr.data.sources import CIFAR10, FASHION_MNIST

# A shell that starts the tests in the background has Ctrl-C ignored, here and in every process started from here.
signal.signal(signal.SIGINT, signal.default_int_handler)

collect_ignore = ["finder/deepar.py"]  # a script: its packages are in an environment of their own
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks" / "faults"))  # the campaigns, which tests run in small


@pytest.fixture(scope="session")
def fashion():
    """Fashion-MNIST as bytes: training images and labels, test images and labels."""
    return fashion_mnist_arrays(obtain(FASHION_MNIST))


@pytest.fixture(scope="session")
def cifar():
    """CIFAR-10 as bytes, likewise."""
    return cifar10_arrays(obtain(CIFAR10))


@pytest.fixture(params=["nd", "np"])
def front_end(request):
    """Both of MXNet's front ends."""
    if request.param == "np":
        mx.npx.set_np()
    yield request.param
    mx.npx.reset_np()


@pytest.fixture(autouse=True)
def _seeded():
    mx.random.seed(0)
    np.random.seed(0)


def run_module(*arguments, timeout=300, cwd=None, env=None):
    """Run ``python -m …`` as a user would; the finished process with its text output."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        check=False,
    )
