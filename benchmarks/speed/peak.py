"""What the processor can do at most, and which share of it each heavy operator of LeNet reaches, on one thread."""

import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

BATCH = 256

# Twelve independent chains of fused multiply-adds, more than the units' latency needs, on vectors of the widest kind
# that the compiler finds here; nothing is loaded or stored.
_SOURCE = r"""
#include <stdio.h>
#include <time.h>
#if defined(__AVX512F__)
#define WIDTH 16
#elif defined(__AVX__)
#define WIDTH 8
#else
#define WIDTH 4
#endif
typedef float vector __attribute__((vector_size(4 * WIDTH)));
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}
int main(void) {
    vector x, y, a, b, c, d, e, f, g, h, i, j, k, l;
    for (int n = 0; n < WIDTH; n++) { x[n] = 0.999f; y[n] = 1e-3f; }
    a = y; b = a + y; c = b + y; d = c + y; e = d + y; f = e + y;  // equal ones would be computed once
    g = f + y; h = g + y; i = h + y; j = i + y; k = j + y; l = k + y;
    double best = 1e9;
    const long rounds = 10000000;
    for (int repeat = 0; repeat < 10; repeat++) {
        double started = now();
        for (long n = 0; n < rounds; n++) {
            a = a * x + y; b = b * x + y; c = c * x + y; d = d * x + y; e = e * x + y; f = f * x + y;
            g = g * x + y; h = h * x + y; i = i * x + y; j = j * x + y; k = k * x + y; l = l * x + y;
        }
        double seconds = now() - started;
        if (seconds < best) best = seconds;
    }
    vector all = a + b + c + d + e + f + g + h + i + j + k + l;
    float sum = 0;
    for (int n = 0; n < WIDTH; n++) sum += all[n];
    printf("%d %.6g %g\n", WIDTH, 2.0 * 12 * WIDTH * rounds / best, sum);
    return 0;
}
"""


def peak():
    """Floats in a vector, and single-precision operations a second in fused multiply-adds; None without a compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder) / "peak.c", Path(folder) / "peak"
        source.write_text(_SOURCE)
        # Whole vectors, also where the compiler would rather not lower the clock for them.
        flags = ["-O2", "-march=native", "-ffp-contract=fast"]
        subprocess.run([compiler, *flags, str(source), "-o", str(program)], check=True)
        width, rate, _ = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout.split()
    return {"width": int(width), "operations_a_second": float(rate)}


def _timed(make, inputs, gradients):
    """Seconds of ``make(*inputs)`` forward, and of its backward pass for the inputs numbered ``gradients``."""
    import mxnet as mx
    from mxnet import autograd

    for i in gradients:
        inputs[i].attach_grad()
    forward, backward = [], []
    for _ in range(40):
        started = time.perf_counter()
        with autograd.record():
            output = make(*inputs)
        mx.nd.waitall()
        middle = time.perf_counter()
        output.backward()
        mx.nd.waitall()
        forward.append(middle - started)
        backward.append(time.perf_counter() - middle)
    return statistics.median(forward[5:]), statistics.median(backward[5:])


def operators():
    """LeNet's heavy operators as ``gluon_lr.nets.lenet`` computes them, rows folded into channels.

    name → (seconds forward, seconds backward, multiply-adds computed forward, the same backward, of those the ones that
    the book's LeNet needs).
    """
    import mxnet as mx

    draw = mx.nd.random.normal

    def convolution(stride, padding):
        """With its pooling: between the two oneDNN keeps a layout of its own, which either alone would have to make."""

        def make(x, w, b):
            y = mx.nd.Convolution(x, w, b, kernel=w.shape[2:], stride=stride, pad=padding, num_filter=16)
            return mx.nd.Pooling(y, kernel=(1, 2, 2), stride=(1, 2, 2), pool_type="max")

        return make

    found = {}

    def note(name, make, inputs, gradients, computed, needed):
        seconds = _timed(make, inputs, gradients)
        # A backward pass computes as much as the forward one for each of weights and inputs.
        found[name] = {
            "forward": seconds[0],
            "backward": seconds[1],
            "computed": computed * (1 + len([i for i in gradients if i < 2])),
            "needed": needed * (1 + len([i for i in gradients if i < 2])),
        }

    # Of a kernel's pair of halves the one that meets only padding is skipped: 8 rows of 5, 16 filters, 7 × 2 × 28 rows.
    note(
        "convolution and pooling 1", convolution((4, 1, 1), (2, 1, 2)),
        [draw(shape=(BATCH, 1, 28, 1, 28)), draw(shape=(16, 1, 8, 2, 5)), draw(shape=(16,))], (1, 2),
        BATCH * 16 * 7 * 2 * 28 * 8 * 5, BATCH * 6 * 28 * 28 * 25,
    )  # fmt: skip
    note(
        "convolution and pooling 2", convolution((1, 1, 1), (0, 1, 0)),
        [draw(shape=(BATCH, 16, 7, 1, 14)), draw(shape=(16, 16, 3, 2, 5)), draw(shape=(16,))], (0, 1, 2),
        BATCH * 16 * 5 * 2 * 10 * 16 * 3 * 5, BATCH * 16 * 10 * 10 * 6 * 25,
    )  # fmt: skip
    for inputs, units in ((400, 120), (120, 84), (84, 10)):
        note(
            f"dense {inputs} × {units}", lambda x, w, b, n=units: mx.nd.FullyConnected(x, w, b, num_hidden=n),
            [draw(shape=(BATCH, inputs)), draw(shape=(units, inputs)), draw(shape=(units,))], (0, 1, 2),
            BATCH * inputs * units, BATCH * inputs * units,
        )  # fmt: skip
    return found


def shares():
    """The peak, the operators, a whole update of LeNet and of Gluon's own layers, on one thread."""
    from gluon_lr.nets import lenet, plain_lenet

    return {
        "peak": peak(),
        "operators": operators(),
        "our_seconds_per_update": _update(lenet),
        "plain_seconds_per_update": _update(plain_lenet),
    }


def _update(make_net):
    """Median seconds of an update of the chapter's loop with this net, in this process."""
    import mxnet as mx

    from gluon_lr import load_data_fashion_mnist
    from gluon_lr.update import update

    net, loss = make_net(), mx.gluon.loss.SoftmaxCrossEntropyLoss()
    net.initialize(mx.init.Xavier())
    for block in (net, loss):
        block.hybridize(static_alloc=True, static_shape=True)
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    pair = next(iter(load_data_fashion_mnist(BATCH, limit=BATCH)[0]))
    times = []
    for _ in range(60):
        started = time.perf_counter()
        update(net, loss, trainer, pair, [mx.cpu()])
        mx.nd.waitall()
        times.append(time.perf_counter() - started)
    return statistics.median(times[10:])
