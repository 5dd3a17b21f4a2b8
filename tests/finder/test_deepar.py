"""The finder on a net whose batch is a dict of nine arrays and whose loss is its own: the real DeepAR of GluonTS."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

PACKAGES = ROOT / ".gluonts"  # the Makefile puts GluonTS there: it needs pydantic 1, and MLflow needs pydantic 2


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info >= (3, 13), reason="GluonTS 0.13.7 needs NumPy 1")
def test_deepar_is_searched_trained_and_left_as_it_was():
    assert PACKAGES.is_dir(), "make .gluonts/ready"
    script = ROOT / "tests" / "finder" / "deepar.py"
    path = os.pathsep.join([str(ROOT), str(PACKAGES)])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.strip().splitlines()[-1])
    assert len(said["losses"]) == 2
    assert said["losses"][1] < said["losses"][0]
    assert said["searched"] > 10
    rate, spent, trials = said["tuned"]
    assert 0 < rate < 10
    assert spent <= 400
    assert trials >= 3
    assert said["updates"] == [8, 8]
    assert said["moved within"]
    assert said["same after"]
