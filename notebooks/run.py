"""Execute the notebooks and keep their outputs: ``python notebooks/run.py [--smoke] [NAME …]``.

With ``--smoke`` each runs in small, in an empty folder, and nothing is kept: does it still run, from top to bottom,
without an error or an unlisted warning?
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HERE = Path(__file__).resolve().parent
NAMES = ("lr_scheduling", "lr_finder", "choosing_a_schedule", "beyond_the_rate", "exercises")
# What takes the place of the first cell's values.
SMOKE = {
    "lr_scheduling": "epochs, seeds, images, live_epochs, runs = 1, dict.fromkeys(seeds, range(3)), 256, 2, 'runs'",
    "lr_finder": "lr_start, lr_multiplier, seeds, parts, images, runs = 1e-3, 2.0, [0], 1, 640, 'runs'",
    "choosing_a_schedule": (
        "article_epochs, article_seeds, article_images = 2, [0, 1], 256\n"
        "talk_seeds, quick, own_epochs, own_seeds, own_images, runs = [0], True, 1, [0, 1], 256, 'runs'"
    ),
    "beyond_the_rate": "epochs, seeds, images, runs = 2, [0, 1], 512, 'runs'",
    "exercises": "seeds, quick, samples, runs = [0, 1], True, 2000, 'runs'",
}
PROGRESS = r"\d+%\|.*\||\d+(epoch|update)s? \["
# Said by MXNet 1.9.1 about the Python and NumPy that it runs on.
KNOWN_WARNINGS = (
    r"`np\.bool` is a deprecated alias",
    r"In accordance with NEP 32",
    r"distutils Version classes are deprecated",
)


def execute(name, smoke=False, folder=HERE):
    """A notebook after its execution in a clean kernel.

    Raises:
        CellExecutionError: a cell raised.
        RuntimeError: a warning that is not listed, or no cell tagged ``parameters`` to begin with.
    """
    notebook = nbformat.read(HERE / f"{name}.ipynb", as_version=4)
    code = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    if "parameters" not in notebook.cells[code[0]].metadata.get("tags", []):
        raise RuntimeError(f"{name}: its first code cell is not tagged parameters")
    if smoke:
        notebook.cells.insert(code[0] + 1, nbformat.v4.new_code_cell(SMOKE[name]))
    where = {"metadata": {"path": str(folder)}}
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=None,
        record_timing=False,
        coalesce_streams=True,  # of a progress bar only the last state is kept
        resources=where,
    )
    client.execute()
    check(notebook, name)
    return notebook


def check(notebook, name):
    """Refuse a notebook whose cells were executed in another order, or that warned.

    Raises:
        RuntimeError: naming the cell.
    """
    for number, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), 1):
        if cell.execution_count != number:
            raise RuntimeError(f"{name}: cell {number} was executed as number {cell.execution_count}")
        for output in cell.outputs:
            line = unlisted_warning(output)
            if line:
                raise RuntimeError(f"{name}: cell {number} warns: {line}")


def unlisted_warning(output):
    """The first line on standard error that is neither a known warning, with the indented line of code below it, nor a
    progress bar; None if there is none. A library's log messages come there too, without the word."""
    if output.get("name") != "stderr":
        return None
    for line in re.split("[\r\n]", output["text"]):
        known = not line.strip() or line[0].isspace() or re.search(PROGRESS, line)
        if not known and not any(re.search(warning, line) for warning in KNOWN_WARNINGS):
            return line
    return None


def main():
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="some of " + ", ".join(NAMES))
    parser.add_argument("--smoke", action="store_true", help="in small, in an empty folder; keep nothing")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"unknown notebook {unknown[0]!r}: expected some of {', '.join(NAMES)}")
    for name in options.names or NAMES:
        try:
            if options.smoke:
                with tempfile.TemporaryDirectory() as folder:
                    execute(name, smoke=True, folder=folder)
            else:
                nbformat.write(execute(name), HERE / f"{name}.ipynb")
        except (CellExecutionError, RuntimeError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        print(f"{name}: executed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
