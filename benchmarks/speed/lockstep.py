"""The same work in several processes at once, each part begun together, so that none has the machine to itself."""

import multiprocessing
import os
import queue
import time

QUICK = bool(os.environ.get("BENCH_QUICK"))  # only to see that everything runs: hardly any work is done


def in_lockstep(processes, threads, work, *arguments):
    """What ``work(barrier, *arguments)`` gives in each of so many new processes with so many threads."""
    # Read when a process loads its library. Two threads that wait for each other get nowhere on a busy machine.
    os.environ["OMP_NUM_THREADS"] = "1" if QUICK else str(threads)
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(processes), context.Queue()
    running = [
        context.Process(target=_call, args=(results, work, barrier, *arguments), daemon=True) for _ in range(processes)
    ]
    for process in running:
        process.start()
    found = []
    while len(found) < processes:
        try:
            found.append(results.get(timeout=1))
        except queue.Empty:
            if any(process.exitcode for process in running):
                raise RuntimeError(f"a process of {processes} ended without a result") from None
    for process in running:
        process.join()
    return found


def _call(results, work, barrier, *arguments):
    try:
        results.put(work(barrier, *arguments))
    except BaseException:
        barrier.abort()  # nobody waits for this process
        raise


def timed(barrier, once, wait, seconds, at_least=3):
    """Seconds that one call of ``once`` takes while the others do the same: for so long, and called so often."""
    seconds = min(seconds, 0.1) if QUICK else seconds
    barrier.wait()
    started, calls, chunk = time.perf_counter(), 0, 1
    while True:
        for _ in range(chunk):
            once()
        wait()
        calls += chunk
        passed = time.perf_counter() - started
        if passed >= seconds and calls >= at_least:
            return passed / calls
        # Waiting empties a queue that in training is never empty: as seldom as the time allows.
        chunk = max(1, min(100, int(calls / passed * seconds / 4)))


def machine_seconds(found, path):
    """Seconds of the whole machine for one: processes side by side share it."""
    values = []
    for result in found:
        for key in path:
            result = result[key]
        values.append(result)
    return sum(values) / len(values) / len(values)
