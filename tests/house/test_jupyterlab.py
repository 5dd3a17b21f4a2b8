"""A notebook opened in JupyterLab in a browser and run by its menu, as a reader does it."""

import os
import runpy
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from conftest import ROOT

RUN = runpy.run_path(str(ROOT / "notebooks" / "run.py"))
# Any notebook may be named, for a look at all of them: they take one to four minutes each.
NAMES = os.environ.get("NOTEBOOKS", "exercises").split(",")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


@pytest.fixture
def lab(tmp_path):
    """JupyterLab on the notebooks in small, each with a last cell that says that it was reached; its address."""
    for name in NAMES:
        notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        first = next(i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code")
        notebook.cells.insert(first + 1, nbformat.v4.new_code_cell(RUN["SMOKE"][name]))
        notebook.cells.append(nbformat.v4.new_code_cell(f"open('{name}.reached', 'w').close()"))
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
               "--ServerApp.port_retries=0", "--IdentityProvider.token=", f"--notebook-dir={tmp_path}"]  # fmt: skip
    log = (tmp_path / "lab.log").open("w")
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(tmp_path / "config"), "MPLBACKEND": ""}
    server = subprocess.Popen(command, stdout=log, stderr=log, cwd=str(tmp_path), env=environment)
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 90
    while True:
        assert server.poll() is None, (tmp_path / "lab.log").read_text()
        assert time.monotonic() < deadline, (tmp_path / "lab.log").read_text()
        try:
            urllib.request.urlopen(f"{address}/api", timeout=2).close()
            break
        except OSError:
            time.sleep(0.3)
    yield address
    server.terminate()
    server.wait()
    log.close()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # nbformat's and Playwright's own; what the notebook's kernel warns of is checked
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
@pytest.mark.parametrize("name", NAMES)
def test_run_all_cells_in_jupyterlab(name, lab, tmp_path):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(f"{lab}/lab/tree/{name}.ipynb")
        page.wait_for_selector(".jp-Notebook", timeout=90_000)
        # Before a kernel is connected JupyterLab drops "Run All Cells" without a word, and the notebook's own indicator
        # says idle then already; the status bar does not.
        page.get_by_text("| Idle").wait_for(timeout=90_000)
        page.locator(".jp-Notebook").first.click()
        page.click("text=Run >> nth=0")
        page.get_by_text("Run All Cells", exact=True).click()
        page.get_by_text("[*]:").first.wait_for(timeout=90_000)
        deadline = time.monotonic() + 400
        while not (tmp_path / f"{name}.reached").exists():
            page.wait_for_timeout(500)
            if time.monotonic() > deadline:
                page.screenshot(path=str(tmp_path / "stuck.png"))
                pytest.fail(f"the last cell was not reached; see {tmp_path / 'stuck.png'}")
        page.wait_for_timeout(1000)
        page.screenshot(path=str(tmp_path / f"{name}.png"))
        written = (tmp_path / f"{name}.ipynb").stat().st_mtime_ns
        page.keyboard.press("Control+s")
        while (tmp_path / f"{name}.ipynb").stat().st_mtime_ns == written:
            page.wait_for_timeout(200)
        browser.close()
    notebook = nbformat.read(tmp_path / f"{name}.ipynb", as_version=4)
    RUN["check"](notebook, name)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert any("image/png" in output.get("data", {}) for output in outputs)
