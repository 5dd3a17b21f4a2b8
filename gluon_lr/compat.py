"""MXNet 1.9.1 on today's Pythons and NumPys: a few patches, applied when ``mxnet`` is first imported.

MXNet is retired; its last wheel was made for NumPy 1.19 and Python 3.8. It still computes the same bits on Python 3.14
and NumPy 2.5 once the names that it looks for are there. :func:`mxnet_spec` finds MXNet for the import hook that
``import gluon_lr`` sets, checks the machine, and runs :data:`BEFORE` and :data:`AFTER` around MXNet's own import. Each
patch is applied only where it is needed, and returns a note on what it did. ``python -m gluon_lr.compat`` shows what
this machine has and which patches it needs.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import platform
import re
import sys
import types
import warnings

from . import NEWEST_PYTHON, OLDEST_PYTHON
from .errors import MissingDependencyError

NEWEST_NUMPY = (2, 5)  # what the tests were run with; docs/platforms.md has the table
applied: "dict[str, str]" = {}  # what each patch did in this process


def check_machine() -> None:
    """Refuse a machine or Python on which MXNet was never tried.

    Raises:
        MissingDependencyError: the system is not Linux, the processor is not x86_64, or Python is outside 3.8-3.14.
    """
    supported = "gluon_lr runs on 64-bit x86 Linux with Python {}.{} to {}.{}".format(*OLDEST_PYTHON, *NEWEST_PYTHON)
    if not sys.platform.startswith("linux"):
        raise MissingDependencyError(f"{supported}, this is {sys.platform}. Use a Linux container or, on Windows, WSL")
    if platform.machine() not in ("x86_64", "AMD64") or sys.maxsize < 2**32:
        bits = 64 if sys.maxsize > 2**32 else 32
        raise MissingDependencyError(
            f"{supported}, this is a {bits}-bit Python on {platform.machine()}. "
            "Use another machine, or a container that emulates x86_64"
        )
    if not OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
        raise MissingDependencyError(
            "{}, this is Python {}.{}. Make an environment with one of those, for example: "
            "make PYTHON=python3.11".format(supported, *sys.version_info[:2])
        )


# ------------------------------------------------------------------------------------- before MXNet's import


def _gone(name: str):
    def refuse(*_args: object, **_kwargs: object):
        raise NotImplementedError(f"NumPy has no {name} since 1.20: take it from the package numpy-financial")

    return refuse


def numpy_names() -> str:
    """NumPy: names that it dropped (1.24: ``bool``; 2.0 to 2.5: the others) and that MXNet asks for at import."""
    import numpy as np

    replacements = {
        "bool": bool,
        "compat": types.SimpleNamespace(basestring=str),  # asked for by np.pad
        "PZERO": 0.0,
        "NZERO": -0.0,
        "PINF": np.inf,
        "NINF": -np.inf,
        "Inf": np.inf,
        "NAN": np.nan,
        "NaN": np.nan,
        "alltrue": np.all,
        "sometrue": np.any,
        "product": np.prod,
        "round_": np.round,
        "in1d": lambda ar1, ar2, *args, **kwargs: np.isin(np.ravel(ar1), ar2, *args, **kwargs),
        "msort": lambda a: np.sort(a, axis=0),
        "trapz": getattr(np, "trapezoid", None),  # 2.0 and later
        # NumPy's own stand-ins for these refused when called, too.
        **{name: _gone(name) for name in ("mirr", "npv", "pmt", "ppmt", "pv", "rate")},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy warns when we look up the deprecated ones that it still has
        missing = [name for name in replacements if not hasattr(np, name)]
    for name in missing:
        setattr(np, name, replacements[name])
    return ", ".join(missing)


class _Version:
    """What MXNet and GluonCV do with distutils' version classes: compare the numbers of two versions."""

    def __init__(self, text: object) -> None:
        self.version = [int(number) for number in re.findall(r"\d+", str(text))]

    def __lt__(self, other: "_Version") -> bool:
        return self.version < other.version

    def __ge__(self, other: "_Version") -> bool:
        return self.version >= other.version


class _Distutils:
    """An import finder for ``distutils.version``, the last in line: Python asks it only if no other has it."""

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None):
        if name not in ("distutils", "distutils.version"):
            return None
        return importlib.machinery.ModuleSpec(name, cls, is_package=name == "distutils")

    @staticmethod
    def create_module(spec: object) -> None:
        return None

    @staticmethod
    def exec_module(module: types.ModuleType) -> None:
        if module.__name__ == "distutils.version":
            module.LooseVersion = module.StrictVersion = _Version


def distutils_version() -> str:
    """Python 3.12 and later: ``distutils.version``, which MXNet and GluonCV import, is gone."""
    if sys.version_info < (3, 12):
        return ""
    if _Distutils not in sys.meta_path:
        sys.meta_path.append(_Distutils)
    return "a stand-in, where setuptools brings none"


# -------------------------------------------------------------------------------------- after MXNet's import


class _Bare:
    """A NumPy number inside a sequence, written as NumPy 1 wrote it: ``0.1`` and not ``np.float64(0.1)``."""

    def __init__(self, number: object) -> None:
        self.number = number

    def __repr__(self) -> str:
        return str(self.number)


def text_of(value: object) -> str:
    """``str(value)`` as NumPy 1 made it, for MXNet's parser of parameters.

    Example:
        >>> import numpy as np
        >>> text_of((np.float64(0.1), [np.float32(0.1), np.int64(2)], 3))
        '(0.1, [0.1, 2], 3)'
    """
    import numpy as np

    def bare(item: object) -> object:
        if isinstance(item, (np.number, np.bool_)):
            return _Bare(item)
        if type(item) in (list, tuple):
            return type(item)(bare(part) for part in item)
        return item

    return str(bare(value) if type(value) in (list, tuple) else value)


def parameter_text() -> str:
    """NumPy 2: MXNet hands parameters to its parser by ``str``, and NumPy's numbers in lists print otherwise now."""
    import numpy as np

    if repr(np.float64(0.1)) == "0.1":
        return ""
    from mxnet._ctypes import ndarray, symbol

    # Shadowing the name in these two modules leaves everybody's printing alone; NumPy's `legacy` option does not.
    ndarray.str = symbol.str = text_of
    return "numbers in lists and tuples without np.float64(…)"


def named_tuples() -> str:
    """NumPy 1.25: ``np.linalg.qr`` and others return named tuples, which MXNet cannot build from a list."""
    import numpy as np
    from mxnet.numpy import multiarray

    if type(np.linalg.qr(np.eye(1))) is tuple:
        return ""
    convert = multiarray._as_mx_np_array

    def with_plain_tuples(object, ctx=None):
        return convert(tuple(object) if hasattr(object, "_fields") else object, ctx)

    multiarray._as_mx_np_array = with_plain_tuples
    return "np.linalg.qr"


def packed_labels() -> str:
    """NumPy: ``recordio`` packs with ``ndarray.tostring``, which is deprecated since 1.19 and gone in 2.3."""
    import numpy as np
    from mxnet import recordio

    class Packed(np.ndarray):
        tostring = np.ndarray.tobytes

    def attributes(module: types.ModuleType, **replaced: object) -> types.SimpleNamespace:
        return types.SimpleNamespace(**{**vars(module), **replaced})

    recordio.np = attributes(np, asarray=lambda *args, **kwargs: np.asarray(*args, **kwargs).view(Packed))
    if recordio.cv2 is not None:
        cv2 = recordio.cv2

        def imencode(*args: object) -> tuple:
            done, buffer = cv2.imencode(*args)
            return done, buffer.view(Packed)

        recordio.cv2 = attributes(cv2, imencode=imencode)
    return "recordio.pack and pack_img by tobytes"


def sparse_matrices() -> str:
    """SciPy: MXNet asks for ``scipy.sparse.csr.csr_matrix``, which is deprecated since 1.8 and gone in 2."""
    from mxnet.ndarray import sparse, utils

    if sparse.spsp is None:
        return ""
    scipy_sparse = sparse.spsp
    names = types.SimpleNamespace(
        csr=types.SimpleNamespace(csr_matrix=scipy_sparse.csr_matrix),
        csr_matrix=scipy_sparse.csr_matrix,
        coo_matrix=scipy_sparse.coo_matrix,
    )
    sparse.spsp = utils.spsp = names
    return "scipy.sparse.csr_matrix by its own name"


def forked_workers() -> str:
    """Python 3.14: ``DataLoader``'s workers inherit their data set by forking, which is no longer the default."""
    if sys.version_info < (3, 14):
        return ""
    import multiprocessing

    from mxnet.gluon.data import dataloader

    fork = multiprocessing.get_context("fork")
    names = {name: getattr(fork, name) for name in ("Pool", "Process", "get_context")}
    dataloader.multiprocessing = types.SimpleNamespace(**{**vars(multiprocessing), **names})
    return "DataLoader's workers are forked"


BEFORE = (numpy_names, distutils_version)
AFTER = (parameter_text, named_tuples, packed_labels, sparse_matrices, forked_workers)


# ------------------------------------------------------------------------------------------- the import itself


def mxnet_spec(hook: object) -> importlib.machinery.ModuleSpec:
    """Ask the other finders where MXNet is, and give it a loader that patches it.

    Raises:
        MissingDependencyError: this machine cannot run MXNet, or it is not installed.
    """
    check_machine()
    finders = [finder for finder in sys.meta_path if finder is not hook and hasattr(finder, "find_spec")]
    spec = next(filter(None, (finder.find_spec("mxnet", None) for finder in finders)), None)
    if spec is None or spec.loader is None:
        # From 3.13 on no NumPy with a wheel satisfies what MXNet declares; its dependencies come with gluon_lr.
        no_deps = " --no-deps" if sys.version_info >= (3, 13) else ""
        raise MissingDependencyError(f"MXNet is not installed: python -m pip install{no_deps} mxnet==1.9.1")
    load = spec.loader.exec_module

    def load_patched(module: types.ModuleType) -> None:
        prepare()
        try:
            with warnings.catch_warnings():
                # NumPy and distutils may warn of names that MXNet asks for; the user can do nothing about it.
                for category in (DeprecationWarning, FutureWarning):
                    warnings.filterwarnings("ignore", category=category, module="mxnet")
                load(module)
            mend()
        except BaseException as error:
            forget_half_imported()
            if isinstance(error, OSError) and ".so" in str(error):
                raise MissingDependencyError(_missing_library(str(error))) from error
            raise

    spec.loader.exec_module = load_patched
    return spec


def prepare() -> None:
    """Do what has to be done before MXNet's own import."""
    import numpy as np

    version = tuple(int(number) for number in re.findall(r"\d+", np.__version__)[:2])
    if version > NEWEST_NUMPY:
        major, minor = NEWEST_NUMPY
        warnings.warn(
            f"NumPy {np.__version__} is newer than {major}.{minor}, the newest that gluon_lr was tested with. "
            f"If something fails: python -m pip install 'numpy<{major}.{minor + 1}'",
            stacklevel=2,
        )
    _apply(BEFORE)


def mend() -> None:
    """Do what has to be done after MXNet's own import."""
    _apply(AFTER)


def _apply(patches: tuple) -> None:
    for patch in patches:
        applied[patch.__name__] = patch() or applied.get(patch.__name__, "")


def forget_half_imported() -> None:
    """Remove what an import of MXNet that failed left in ``sys.modules``, so that the next one starts over."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "mxnet"]:
        del sys.modules[name]


def _missing_library(message: str) -> str:
    library = message.partition(":")[0]
    packages = {"libgomp.so.1": "libgomp1", "libquadmath.so.0": "libquadmath0"}
    remedy = (
        f"apt-get install {packages[library]}"
        if library in packages
        else "install the package that has it (Debian's libgomp1 and libquadmath0 are what slim images lack)"
    )
    return f"MXNet's library does not load ({message}). Remedy: {remedy}"


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


def main() -> int:
    """Print what this machine has and which patches it needs; 0 where MXNet imports and trains."""
    print(f"Python {platform.python_version()}, {platform.system()}, {platform.machine()}")
    try:
        import numpy as np

        print(f"NumPy {np.__version__}, tested up to {'.'.join(map(str, NEWEST_NUMPY))}")
        done = _update_once()
    except Exception as error:
        name = "" if isinstance(error, MissingDependencyError) else f"MXNet fails with {type(error).__name__}: "
        print(f"gluon_lr.compat: {name}{error}", file=sys.stderr)
        return 1
    from gluon_lr.compat import applied  # this file run as a command is another module

    for patch in BEFORE + AFTER:
        word = applied[patch.__name__]
        print(f"{'applied' if word else 'not needed':10}  {patch.__doc__}" + (f"\n{'':12}→ {word}" if word else ""))
    print(done)
    return 0


if __name__ == "__main__":
    sys.exit(main())
