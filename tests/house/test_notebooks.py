"""Every notebook, executed in small in a clean kernel and an empty folder; and what is committed of them."""

import runpy

import nbformat
import pytest
from conftest import ROOT

FOLDER = ROOT / "notebooks"
RUN = runpy.run_path(str(FOLDER / "run.py"))
NAMES = RUN["NAMES"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # nbclient's and zmq's own; what a notebook's kernel warns of is checked
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_from_top_to_bottom(name, tmp_path):
    RUN["execute"](name, smoke=True, folder=tmp_path)


def made(*cells):
    """A notebook of code cells, each its execution count and what it said on standard error."""
    told = [[nbformat.v4.new_output("stream", name="stderr", text=text)] if text else [] for _, text in cells]
    return nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("", execution_count=count, outputs=outputs)
            for (count, _), outputs in zip(cells, told)
        ]
    )


def test_a_notebook_that_warns_or_is_out_of_order_is_not_accepted():
    bar = "all runs:  50%|█████     | 6/12 [00:10<00:10,  1.00s/epoch]\r"
    RUN["check"](made((1, ""), (2, bar)), "good")
    logged, warned = (1, "left out: a damaged record\n"), (1, bar + "\nx.py:1: UserWarning: slow")
    for wrong in (made((2, ""), (1, "")), made(logged), made(warned)):
        with pytest.raises(RuntimeError, match="wrong: cell"):
            RUN["check"](wrong, "wrong")
    known = {"name": "stderr", "text": "x.py:1: DeprecationWarning: In accordance with NEP 32, …\n"}
    assert RUN["unlisted_warning"](known) is None
    assert "RuntimeWarning" in RUN["unlisted_warning"]({"name": "stderr", "text": "RuntimeWarning: overflow\n"})


@pytest.mark.parametrize("name", NAMES)
def test_committed_notebooks_were_executed_whole_and_show_their_pictures(name):
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert code[0].metadata["tags"] == ["parameters"]
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 4
    assert not [o for o in outputs if "application/vnd.jupyter.widget-view+json" in o.get("data", {})], "a widget"


def test_all_notebooks_are_known():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NAMES)
