"""Train many runs side by side: in joblib's processes on this machine, or on a cluster through its Dask backend."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from ..arguments import whole_number
from ..errors import DamagedError, GluonLRError, RecordError, UsageError
from ..files import writable_folder
from ..identity.packages import own_files
from .progress import bars
from .record import Record
from .run import execute
from .spec import Build, RunSpec
from .store import Store

log = logging.getLogger(__name__)

# Each process gets one thread: on nets of this size oneDNN's threads get in each other's way, and runs side by side use
# every core anyway.
_THREADS_PER_RUN = 1
_DEATHS_IN_A_ROW = 5
# MXNet has one random generator per process: if a cluster's worker has several threads, they train one after another.
_ONE_RUN_A_PROCESS = threading.Lock()


def sweep(
    specs: Sequence[RunSpec],
    build: Build,
    folder: Path,
    *,
    jobs: Optional[int] = None,
    ctx: str = "auto",
    data_dir: Optional[str] = None,
    fresh: bool = False,
    progress: bool = True,
) -> List[Record]:
    """Train what is missing of ``specs`` and return all their records, in the same order.

    Args:
        specs: the runs.
        build: the study's function from a specification to
            :class:`~gluon_lr.experiments.Ingredients`; it has to pickle.
        folder: the study's output folder; on a cluster, one that every worker sees under this path.
        jobs: processes side by side; default one a core, or up to three more where that leaves no core idle at the
            end. Where joblib's Dask backend is active, its cluster is used
            instead.
        ctx: a context's name, for every run.
        data_dir: where to look for data first.
        fresh: forget existing records of ``specs`` and train them again.
        progress: draw a bar a run and one overall, on standard error.

    Raises:
        OutputError: the folder cannot be written.
        RecordError: a record was made with other settings; or one is damaged, which is said when the others are done.
        GluonLRError: worker processes keep dying.
    """
    if len({spec.key for spec in specs}) != len(specs):
        raise RecordError("two runs of this sweep have the same name, seed, epochs and reading: give them other names")
    store = Store(writable_folder(Path(folder)).resolve())
    if fresh:
        for spec in specs:
            store.forget(spec)
    found: Dict[str, Optional[Record]] = {}
    damaged: List[DamagedError] = []
    for spec in specs:
        try:
            found[spec.key] = store.find(spec)
        except DamagedError as error:
            damaged.append(error)
    missing = [spec for spec in specs if spec.key in found and not _complete(found[spec.key])]
    if missing:
        log.info("training %d of %d runs; their records grow in %s", len(missing), len(specs), store.folder)
    deaths = 0
    with bars(missing, store, progress):
        while missing:
            before = store.epochs_done(missing)
            try:
                for record in _parallel(missing, build, store, jobs, ctx, data_dir):
                    if record is not None:
                        _report(record)
            except _worker_died() as error:
                deaths = deaths + 1 if store.epochs_done(missing) == before else 0
                log.warning("a worker process died (%s); going on with what is missing", type(error).__name__)
                if deaths >= _DEATHS_IN_A_ROW:
                    raise GluonLRError(
                        "worker processes keep dying before they finish an epoch: is there enough memory? "
                        "Try fewer --jobs"
                    ) from error
            found.update({spec.key: store.find(spec) for spec in missing})
            missing = [spec for spec in missing if found[spec.key] is None or found[spec.key].status == "running"]
            if missing:
                time.sleep(0.5)  # another command is working on these: look again, take over what it leaves
    if damaged:
        raise damaged[0]
    return [found[spec.key] for spec in specs]


def _complete(record: Optional[Record]) -> bool:
    return record is not None and record.complete


def _parallel(
    specs: Sequence[RunSpec], build: Build, store: Store, jobs: Optional[int], ctx: str, data_dir: Optional[str]
) -> Iterator[Optional[Record]]:
    return in_processes([(_work, spec, build, store, ctx, data_dir) for spec in specs], jobs)


def in_processes(calls: Sequence[Tuple[Any, ...]], jobs: Optional[int] = None) -> Iterator[Any]:
    """What functions return, as it comes: each is called in a process with one thread, or on joblib's Dask cluster.

    Args:
        calls: a function and its arguments each; the number of this process, or None on a cluster, is one more.
        jobs: processes side by side; default as of :func:`sweep`.
    """
    from joblib import Parallel, delayed, parallel_config
    from joblib.parallel import get_active_backend

    backend = get_active_backend()[0]
    on_cluster = "Dask" in type(backend).__name__
    if on_cluster:
        _require_loadable(backend.client, calls)
    parent = None if on_cluster else os.getpid()
    if on_cluster:
        tasks = [delayed(function)(*arguments, parent) for function, *arguments in calls]
        yield from Parallel(return_as="generator_unordered")(tasks)
        return
    here = os.getcwd()
    tasks = [delayed(_in_folder)(here, function, *arguments, parent) for function, *arguments in calls]
    jobs = None if jobs is None else whole_number("jobs", jobs, least=1)
    workers = min(jobs or _side_by_side(len(tasks), os.cpu_count() or 1), len(tasks))
    # A single job gets a process of its own too, since only there can we promise one thread. joblib would run it in
    # this process, so we ask for two processes and hand out one task at a time.
    # joblib for Python 3.8 takes no initializers: there a worker begins to watch its parent with its first run.
    watch = {"initializer": _die_with, "initargs": (parent,)} if sys.version_info >= (3, 9) else {}
    _end_workers_that_know_other(own_files())
    with warnings.catch_warnings(), parallel_config(
        backend="loky", n_jobs=max(2, workers), inner_max_num_threads=_THREADS_PER_RUN, **watch
    ):
        # joblib replaces a worker that has grown by 300 MB, and warns. Every worker grows so much with its first run.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given to the executor", UserWarning)
        yield from Parallel(return_as="generator_unordered", pre_dispatch=workers, batch_size=1)(tasks)


def _require_loadable(client: Any, calls: Sequence[Any]) -> None:
    """Refuse what a cluster cannot load, which it would otherwise wait for without a word.

    Raises:
        UsageError: a module that functions come from is missing on the scheduler or on a worker.
    """
    import cloudpickle  # which Dask brings

    payload = cloudpickle.dumps(list(calls))
    for ask in (client.run_on_scheduler, client.run):
        try:
            ask(_load, payload)
        except ImportError as error:
            raise UsageError(
                f"the Dask cluster cannot load what is to be called: {error}. Put your functions into the script that "
                "you run, which is sent along, or make their module importable on the scheduler and on every worker"
            ) from error


def _load(payload: bytes) -> None:
    import pickle

    pickle.loads(payload)


@contextlib.contextmanager
def cluster(address: Optional[str]) -> Iterator[None]:
    """Have sweeps in the block run on the Dask cluster whose scheduler is at ``address``; on this machine if None.

    Its workers need gluon_lr, the data, and the output folder under the same path.

    Raises:
        UsageError: no scheduler answers there, or Dask is not installed.
    """
    if address is None:
        yield
        return
    from joblib import parallel_config

    try:
        from dask.distributed import Client
    except ImportError as error:
        raise UsageError("--dask needs Dask: install gluon_lr[cluster]") from error
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"no Dask scheduler at {address} ({type(error).__name__}). Start one with `dask scheduler` and give its "
            "address, such as tcp://127.0.0.1:8786"
        ) from error
    with client, parallel_config(backend="dask", client=client):
        yield


def _side_by_side(runs: int, cores: int) -> int:
    """How many processes to use for ``runs`` equally long runs: the fewest, at least one per core, that end soonest.

    Five runs on two cores by two take three rounds and leave a core idle in the last; all five at once take two and a
    half. Up to three more processes than cores, for the sake of memory.
    """

    def rounds(processes: int) -> float:
        return -(-runs // processes) * processes / cores

    return min(range(cores, cores + 4), key=rounds)


def _work(
    spec: RunSpec, build: Build, store: Store, ctx: str, data_dir: Optional[str], parent: Optional[int]
) -> Optional[Record]:
    """One run, in a worker process."""
    if parent is not None:
        _die_with(parent)
    try:
        with _ONE_RUN_A_PROCESS:
            return execute(spec, build, store, ctx, data_dir)
    finally:
        gc.collect()  # a net and its hybridized graph refer to each other; the next run needs their memory


def _in_folder(folder: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a folder: a worker is kept for later calls, which may be made from another one."""
    os.chdir(folder)
    return function(*arguments)


_known_files: Any = None


def _end_workers_that_know_other(files: Any) -> None:
    """End joblib's workers where ``files`` differ from those of the call before: workers keep what they imported."""
    global _known_files
    if _known_files not in (None, files):
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True)
    _known_files = files


_watching = False


def _die_with(parent: int) -> None:
    """In a worker process, watch the command that started it; end this process when the command has ended."""
    global _watching
    if _watching:
        return
    _watching = True

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.25)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _worker_died() -> Any:
    from concurrent.futures import BrokenExecutor

    died: List[Any] = [BrokenExecutor]
    with contextlib.suppress(ImportError):
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        died.append(TerminatedWorkerError)
    return tuple(died)


def _report(record: Record) -> None:
    spec = record.spec
    name = f"{spec['run']} ({spec['reading']}, seed {spec['seed']})"
    if record.status == "failed":
        log.warning("%s failed: %s", name, record.failure)
    else:
        log.info(
            "%s %s: train loss %.3f, train acc %.3f, test acc %.3f, %.0f s",
            name, record.status, record.last("train_loss"), record.last("train_acc"), record.last("test_acc"),
            record.seconds,
        )  # fmt: skip
