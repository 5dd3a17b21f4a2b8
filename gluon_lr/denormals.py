"""Take numbers below 1.2e-38 as zero, since they would make a training many times slower."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import platform
import sys
import threading
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

from .state.private import call_library

# Of x86's control register of vector arithmetic: results that are denormal become zero, and so do such operands.
_FLUSH, _OFFSET, _SIZE = 0x8040, 28, 32  # the register's bits; its place in C's fenv_t, and that one's size, in bytes
_Task = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
_called: List[Any] = []


class _Context(ctypes.Structure):
    _fields_ = [("device_type", ctypes.c_int), ("device_id", ctypes.c_int32)]


@contextlib.contextmanager
def denormals_as_zero(contexts: Sequence[Any]) -> Iterator[bool]:
    """Have MXNet take denormal numbers as zero in the block, as ``torch.set_flush_denormal`` does for PyTorch.

    A processor computes with denormals, those below 1.2e-38 in single precision, a hundred times slower. Training gets
    there: the gradient of a pixel that is black in every image is zero, so Adam's mean of it shrinks by a tenth an
    update until rounding keeps it among the denormals for good; then an update of 200,000 such weights takes 30 ms
    instead of 0.4. What a weight gets from them is too small to change it.

    The mode belongs to a thread, so we set it in MXNet's own worker thread, and restore it there afterwards. Where this
    is impossible, nothing changes and the block gets False: on machines other than x86-64 with Linux, for GPUs, with
    several worker threads or ``NaiveEngine``.

    Args:
        contexts: where the block computes.

    Example:
        >>> import mxnet as mx
        >>> with denormals_as_zero([mx.cpu()]):
        ...     product = mx.nd.array([1e-30]) * 1e-10
    """
    devices = sorted({context.device_id for context in contexts if context.device_type == "cpu"})
    if not devices or not _possible():
        yield False
        return
    for device in devices:
        _in_worker(device, functools.partial(_enter, device))
    try:
        yield True
    finally:
        for device in devices:
            _in_worker(device, functools.partial(_leave, device))


# Device → how many blocks are within, and the mode before the first of them; each only touched in its worker thread.
_within: Dict[int, Tuple[int, int]] = {}


def _enter(device: int) -> None:
    before = _exchange(lambda mode: mode | _FLUSH)
    blocks, first = _within.get(device, (0, before))
    _within[device] = blocks + 1, first


def _leave(device: int) -> None:
    blocks, first = _within.pop(device)
    if blocks > 1:  # another thread's training is not over
        _within[device] = blocks - 1, first
        return
    _exchange(lambda mode: mode & ~_FLUSH | first & _FLUSH)


def _possible() -> bool:
    one_worker = os.environ.get("MXNET_CPU_WORKER_NTHREADS", "1") == "1"
    threaded = os.environ.get("MXNET_ENGINE_TYPE", "ThreadedEnginePerDevice") == "ThreadedEnginePerDevice"
    return sys.platform == "linux" and platform.machine() == "x86_64" and one_worker and threaded


def _exchange(change: Callable[[int], int]) -> int:
    """Change this thread's control register and return its old value."""
    library = ctypes.CDLL("libm.so.6")
    environment = ctypes.create_string_buffer(_SIZE)
    library.fegetenv(environment)
    register = ctypes.c_uint32.from_buffer(environment, _OFFSET)
    before = register.value
    register.value = change(before)
    library.fesetenv(environment)
    return before


def _in_worker(device: int, call: Callable[[], Any]) -> None:
    """Call a function in the thread that computes for a CPU context, and wait until it is done."""
    import mxnet as mx

    done = threading.Event()

    @_Task
    def task(run: Any, parameter: Any) -> None:
        try:
            call()
        finally:
            done.set()

    _called.append(task)  # even if Ctrl-C ends the wait, because MXNet will still call it
    context = _Context(mx.cpu().device_typeid, device)
    on = ctypes.byref(context)
    call_library("MXEnginePushSync", task, None, None, on, None, 0, None, 0, None, 0, b"denormals")
    # Not waitall(): it would raise errors of earlier computations here.
    done.wait()
    _called.remove(task)
