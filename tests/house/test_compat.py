"""MXNet on every Python that this machine has: patched where it must be, refused in one line, and the same bits."""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from conftest import ROOT

import gluon_lr
from gluon_lr.compat import BEFORE, NEWEST_NUMPY
from gluon_lr.errors import GluonLRError, MissingDependencyError

PACKAGES = sysconfig.get_path("purelib")
# The environments that the Makefile made here: .venv, .venv-3.13, …
PYTHONS = sorted(str(ready.parent / "bin" / "python") for ready in ROOT.glob(".venv*/chapter.ready"))
several = pytest.mark.skipif(len(PYTHONS) < 2, reason="needs a second environment: make PYTHON=… VENV=.venv-3.13 test")


def python(code, *options, executable=sys.executable, **env):
    """Run ``code`` in a fresh interpreter whose warnings are errors."""
    return interpreter(*options, "-c", code, executable=executable, **env)


def interpreter(*arguments, executable=sys.executable, **env):
    return subprocess.run(
        [str(executable), "-W", "error", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=str(ROOT),
        env={**os.environ, "OMP_NUM_THREADS": "1", **env},
        check=False,
    )


def without_site(code):
    """Likewise, in an interpreter that has run no ``.pth`` file: MXNet is there, and nobody patches it yet."""
    return python(f"import sys; sys.path[:0] = [{str(ROOT)!r}, {PACKAGES!r}]\n{code}", "-S")


def test_importing_gluon_lr_loads_nothing_heavy():
    done = without_site("import gluon_lr; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "gluon_lr" in loaded
    assert not loaded & {"numpy", "mxnet", "scipy", "matplotlib", "warnings.filters", "gluon_lr.compat"}


def test_an_import_of_mxnet_that_failed_is_mended_by_importing_gluon_lr():
    done = without_site(
        "try:\n"
        "    import mxnet\n"
        "except Exception as error:\n"  # a name that NumPy lacks, or a warning of one that it will lack
        "    print('failed:', type(error).__name__, any(name.startswith('mxnet.') for name in sys.modules))\n"
        "import gluon_lr, mxnet as mx\n"
        "print(mx.np.ones((2, 3)).sum().item(), mx.nd.ones((2, 3)).sum().asnumpy().item())\n"
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"failed: \w+ True\n6.0 6.0\n", done.stdout)


def test_mxnet_that_was_imported_before_gets_the_patches_that_are_left():
    done = python(
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {PACKAGES!r}]\n"
        "import gluon_lr\n"
        "sys.meta_path = [finder for finder in sys.meta_path if finder.__module__ != 'gluon_lr']\n"
        "from gluon_lr.compat import prepare\n"
        "prepare()\n"
        "import mxnet as mx\n"
        "del sys.modules['gluon_lr']\n"
        "import gluon_lr\n"
        "print(mx.np.linalg.qr(mx.np.eye(2))[1].shape)",
        "-S",
        "-W",
        "ignore",
    )
    assert (done.returncode, done.stdout) == (0, "(2, 2)\n"), done.stderr


@pytest.mark.skipif(not Path(PACKAGES, "gluon_lr.pth").exists(), reason="not the environment that the Makefile made")
def test_in_the_projects_own_environment_a_script_may_import_mxnet_first():
    done = python("import mxnet; print(mxnet.__version__)")
    assert (done.returncode, done.stdout) == (0, "1.9.1\n"), done.stderr


def test_without_mxnet_the_first_use_says_the_line_that_installs_it(tmp_path):
    for entry in Path(PACKAGES).iterdir():
        if not entry.name.startswith("mxnet"):
            (tmp_path / entry.name).symlink_to(entry)
    done = python(
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(tmp_path)!r}]\n"
        "import gluon_lr\n"
        "try:\n"
        "    from gluon_lr import CosineScheduler\n"
        "except ImportError as error:\n"
        "    from gluon_lr.errors import MissingDependencyError\n"
        "    assert type(error) is MissingDependencyError\n"
        "    print(error)\n",
        "-S",
    )
    deps = " --no-deps" if sys.version_info >= (3, 13) else ""
    assert done.stdout == f"MXNet is not installed: python -m pip install{deps} mxnet==1.9.1\n", done.stderr
    assert issubclass(MissingDependencyError, (ImportError, GluonLRError))


@pytest.mark.parametrize(
    ("machine", "told"),
    [
        ("sys.version_info = (3, 7, 16, 'final', 0)", "this is Python 3.7. Make an environment"),
        ("sys.version_info = (3, 15, 0, 'final', 0)", "this is Python 3.15. Make an environment"),
        ("sys.platform = 'darwin'", "this is darwin. Use a Linux container"),
        ("sys.platform = 'win32'", "this is win32. Use a Linux container or, on Windows, WSL"),
        ("platform.machine = lambda: 'aarch64'", "this is a 64-bit Python on aarch64. Use another machine"),
        ("sys.maxsize = 2**31 - 1", "this is a 32-bit Python on x86_64. Use another machine"),
    ],
)
def test_a_machine_that_mxnet_does_not_run_on_is_told_in_one_line(machine, told):
    done = without_site(
        "import importlib.util, platform, typing, warnings\n"  # the standard library asks for these facts, too
        f"import ctypes, numpy\n{machine}\n"
        "try:\n"
        "    import gluon_lr\n"
        "    from gluon_lr import CosineScheduler\n"
        "except ImportError as error:\n"
        "    print(type(error).__name__, error, sep=': ')\n"
    )
    supported = "MissingDependencyError: gluon_lr runs on 64-bit x86 Linux with Python 3.8 to 3.14, "
    assert done.stdout.startswith(supported + told), (done.stdout, done.stderr)
    assert done.stdout.count("\n") == 1


def test_a_numpy_newer_than_tested_is_warned_of_once():
    done = without_site(
        "import numpy, warnings\n"
        "numpy.__version__ = '9.0.1'\n"
        "with warnings.catch_warnings(record=True) as told:\n"
        "    warnings.simplefilter('always')\n"
        "    import gluon_lr\n"
        "    import mxnet\n"
        "    import mxnet as again\n"
        "    from gluon_lr import CosineScheduler\n"
        "print(*[str(w.message) for w in told if 'gluon_lr' in str(w.message)], sep='\\n')\n"
    )
    major, minor = NEWEST_NUMPY
    assert done.stdout == (
        f"NumPy 9.0.1 is newer than {major}.{minor}, the newest that gluon_lr was tested with. "
        f"If something fails: python -m pip install 'numpy<{major}.{minor + 1}'\n"
    ), done.stderr


def test_the_command_says_what_applies_and_makes_an_update():
    done = interpreter("-m", "gluon_lr.compat")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Python {sys.version.split()[0]}, Linux, x86_64\nNumPy {np.__version__}")
    for patch in BEFORE:
        assert patch.__doc__ in done.stdout
    assert done.stdout.endswith("an update took a loss of 9 to 0.36\n")


# MXNet's library cannot find one that it needs: in a namespace of the test's own, where the system's folder lacks it.
LIBRARY_MISSING = """
mount -t overlay overlay -o lowerdir={system},upperdir={upper},workdir={work} {system} && rm {system}/{library}* &&
exec {python} -S -c "
import sys; sys.path[:0] = [{root!r}, {packages!r}]
import gluon_lr
try:
    import mxnet
except ImportError as error:
    print(type(error).__name__, error, sep=': ')
"
"""


@pytest.mark.fault
@pytest.mark.skipif(os.geteuid() != 0, reason="needs a mount")
@pytest.mark.parametrize(("library", "package"), [("libgomp.so.1", "libgomp1"), ("libquadmath.so.0", "libquadmath0")])
def test_a_system_library_that_is_missing_is_named_with_its_package(tmp_path, library, package):
    system = Path("/usr/lib/x86_64-linux-gnu")
    if not (system / library).exists() or Path(PACKAGES, "mxnet", library).exists():
        pytest.skip(f"the system's {library} is not what MXNet loads here")
    disk, upper, work = tmp_path / "disk", tmp_path / "disk" / "upper", tmp_path / "disk" / "work"
    disk.mkdir()
    script = f"mount -t tmpfs tmpfs {disk} && mkdir {upper} {work} && " + LIBRARY_MISSING.format(
        system=system,
        upper=upper,
        work=work,
        library=library,
        python=sys.executable,
        root=str(ROOT),
        packages=PACKAGES,
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    if done.stderr.startswith(("unshare:", "mount:")):
        pytest.skip(f"no mount here: {done.stderr.strip()}")
    assert re.fullmatch(
        rf"MissingDependencyError: MXNet's library does not load \({library}: .*\). "
        rf"Remedy: apt-get install {package}\n",
        done.stdout,
    ), (done.stdout, done.stderr)


# ------------------------------------------------------------------------------------------ what was patched


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")  # alltrue and msort, by NumPy 1.26
def test_numpy_has_every_name_that_mxnet_asks_for():
    a = np.array([[3.0, 1.0], [2.0, 4.0]])
    assert -np.inf == mx.np.NINF
    assert np.inf == mx.np.PINF
    assert np.isnan(mx.np.NAN)
    mx.npx.set_np()
    try:
        b = mx.np.array(a)
        assert mx.np.alltrue(b > 0)
        assert mx.np.msort(b).asnumpy().tolist() == [[2, 1], [3, 4]]
        assert mx.np.in1d(b, mx.np.array([1.0, 4.0])).asnumpy().tolist() == [False, True, False, True]
        assert mx.np.trapz(b).asnumpy().tolist() == [2, 3]
        assert mx.np.pad(b, ((1, 1), (1, 1)), mode="constant").shape == (4, 4)
        assert (b > 2).dtype == bool
        q, r = mx.np.linalg.qr(b)
        np.testing.assert_allclose((q.asnumpy() @ r.asnumpy()), a, rtol=1e-6)
        with pytest.raises((NotImplementedError, RuntimeError), match=r"1\.20"):
            mx.np.npv(0.1, b)
    finally:
        mx.npx.reset_np()


def test_numbers_of_numpys_in_parameters_are_read(front_end):
    shape, slope = (np.int64(2), np.int32(3)), np.float64(0.1)
    a = mx.nd.ones((6,)).reshape(shape)
    assert a.shape == (2, 3)
    assert mx.nd.slice(a, begin=(np.int64(0), 1), end=[np.int64(1), None]).shape == (1, 2)
    boxes = mx.nd.contrib.MultiBoxPrior(mx.nd.zeros((1, 3, 1, 1)), sizes=(np.float32(slope), np.float64(0.2)))
    wanted = mx.nd.contrib.MultiBoxPrior(mx.nd.zeros((1, 3, 1, 1)), sizes=(0.1, 0.2))
    assert np.array_equal(boxes.asnumpy(), wanted.asnumpy())
    symbol = mx.sym.reshape(mx.sym.var("x"), shape=shape)
    assert symbol.infer_shape(x=(6,))[1] == [(2, 3)]


def test_records_with_several_labels_are_packed():
    labels = np.array([1.5, 2.5, 3.5], "float32")
    header, content = mx.recordio.unpack(mx.recordio.pack(mx.recordio.IRHeader(0, labels, 7, 0), b"bytes"))
    assert (header.label.tolist(), header.id, content) == (labels.tolist(), 7, b"bytes")
    if mx.recordio.cv2 is not None:
        image = np.arange(48, dtype="uint8").reshape(4, 4, 3)
        packed = mx.recordio.pack_img(mx.recordio.IRHeader(0, labels, 7, 0), image, img_fmt=".png", quality=3)
        header, read = mx.recordio.unpack_img(packed)
        assert header.label.tolist() == labels.tolist()
        assert np.array_equal(read, image)


def test_scipys_sparse_matrices_are_taken():
    from scipy.sparse import csr_matrix

    a = np.array([[0, 2.0], [0, 0]], "float32")
    assert np.array_equal(mx.nd.sparse.array(csr_matrix(a)).asnumpy(), a)
    assert np.array_equal(mx.nd.sparse.csr_matrix(csr_matrix(a)).asscipy().toarray(), a)
    assert mx.nd.array(csr_matrix(a)).stype == "csr"


# ------------------------------------------------------------------------------- one Python, and another Python


def test_what_is_said_of_pythons_is_said_alike():
    setup, makefile = ((ROOT / name).read_text(encoding="utf-8") for name in ("setup.py", "Makefile"))
    (_, oldest), (_, newest) = gluon_lr.OLDEST_PYTHON, gluon_lr.NEWEST_PYTHON
    assert f'python_requires=">=3.{oldest},<3.{newest + 1}"' in setup
    assert f"for minor in range({oldest}, {newest + 1})" in setup
    ranges = re.findall(r"\(3, (\d+)\) <= sys.version_info\[:2\] <= \(3, (\d+)\)", makefile)
    assert ranges
    assert set(ranges) == {(str(oldest), str(newest))}
