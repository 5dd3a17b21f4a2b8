"""The patches themselves: what MXNet looks for and newer Pythons and NumPys no longer have.

:data:`BEFORE` go in before MXNet's own import, :data:`AFTER` once it is done.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import sys
import types
import warnings

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
