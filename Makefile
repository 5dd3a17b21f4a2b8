# make chapter   train the chapter's five networks and write my_runs/chapter/report.html
# make test      run the tests
# Both first build what they need: a virtual environment in .venv, the pinned packages, the data.

PYTHON ?= $(shell for p in python3.11 python3.10 python3.9 python3.8 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 8) <= sys.version_info[:2] <= (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BENCH ?= .venv-bench
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
ARGS ?=

.PHONY: chapter tutorial beyond article talk notebooks test lint faults bench evidence readme clean

chapter: $(VENV)/chapter.ready
	$(BIN)/python -m gluon_lr.chapter --out my_runs/chapter $(ARGS)

test: $(VENV)/dev.ready lint
	$(BIN)/python -m gluon_lr.data fetch fashion-mnist
	$(BIN)/python -m gluon_lr.data fetch cifar10
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

lint: $(VENV)/dev.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

tutorial: $(VENV)/chapter.ready
	$(BIN)/python -m gluon_lr.tutorial --out my_runs/tutorial $(ARGS)

beyond: $(VENV)/chapter.ready
	$(BIN)/python -m gluon_lr.beyond --out my_runs/beyond $(ARGS)

# Everything that the committed chapter_runs/ holds; about seven hours on two cores.
evidence: $(VENV)/chapter.ready
	$(BIN)/python -m gluon_lr.chapter --out chapter_runs --seeds 0-4
	$(BIN)/python -m gluon_lr.chapter --out chapter_runs --reading per-update --only multi-factor --seeds 0-2
	$(BIN)/python -m gluon_lr.chapter --out chapter_runs --reading per-epoch --seeds 0-2
	$(BIN)/python -m gluon_lr.beyond --seeds 0-2
	$(BIN)/python -m gluon_lr.tutorial --seeds 0-2
	$(BIN)/python -m gluon_lr.article --seeds 0-4
	$(BIN)/python -m gluon_lr.talk --seeds 0-2
	$(BIN)/python benchmarks/finder_regret.py
	$(BIN)/python -m gluon_lr.schedulers --out chapter_runs/gallery.png
	$(BIN)/python notebooks/run.py

# The README's generated tables.
readme: $(VENV)/dev.ready
	$(BIN)/python -m gluon_lr.chapter --out chapter_runs --report-only --readme README.md
	$(BIN)/python -m gluon_lr.beyond --report-only --readme README.md
	$(BIN)/python -m gluon_lr.tutorial --report-only --readme README.md
	$(BIN)/python -m gluon_lr.article --report-only --readme README.md
	$(BIN)/python -m gluon_lr.talk --report-only --readme README.md
	$(BIN)/python benchmarks/finder_regret.py --report-only --readme README.md
	$(BIN)/python benchmarks/bench.py --report-only --readme README.md
	$(BIN)/python tests/campaigns.py --readme README.md

notebooks: $(VENV)/dev.ready
	$(BIN)/python notebooks/run.py $(ARGS)

talk: $(VENV)/chapter.ready
	$(BIN)/python -m gluon_lr.talk --out my_runs/talk $(ARGS)

article: $(VENV)/chapter.ready
	$(BIN)/python -m gluon_lr.article --out my_runs/article $(ARGS)

# Faults by the number; about twenty minutes. Its record is what the README's table of reliability is made of.
faults: $(VENV)/dev.ready
	$(BIN)/python -W ignore tests/campaigns.py

bench: $(BENCH)/bench.ready
	$(BENCH)/bin/python -m gluon_lr.data fetch fashion-mnist
	$(BENCH)/bin/python -m gluon_lr.data fetch cifar10
	$(BENCH)/bin/python benchmarks/bench.py $(ARGS)

$(VENV)/python.ready:
	@test -n "$(PYTHON)" || { echo "gluon_lr needs Python 3.8 to 3.11; none is on the PATH. Name one: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pip setuptools wheel
	touch $@

$(VENV)/chapter.ready: $(VENV)/python.ready setup.py constraints.txt
	$(PIP_INSTALL) -e '.[chapter]'
	$(BIN)/python -c "$$PROVIDE_LIBGOMP"
	touch $@

$(VENV)/dev.ready: $(VENV)/python.ready setup.py constraints.txt
	$(PIP_INSTALL) -e '.[dev]'
	$(BIN)/python -c "$$PROVIDE_LIBGOMP"
	touch $@ $(VENV)/chapter.ready

# PyTorch is only ever measured against, in an environment of its own: GluonCV refuses to load beside it.
$(BENCH)/bench.ready: setup.py constraints.txt benchmarks/requirements.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pip setuptools wheel
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		-e '.[chapter]' -r benchmarks/requirements.txt
	$(BENCH)/bin/python -c "$$PROVIDE_LIBGOMP"
	touch $@

# MXNet needs the system's libgomp and looks for it beside itself first; scikit-learn's wheel brings one along.
define PROVIDE_LIBGOMP
import ctypes, importlib.util, pathlib
try:
    ctypes.CDLL("libgomp.so.1")
except OSError:
    site = pathlib.Path(importlib.util.find_spec("mxnet").origin).parents[1]
    link = site / "mxnet" / "libgomp.so.1"
    for found in site.glob("scikit_learn.libs/libgomp*"):
        link.exists() or link.symlink_to(found)
endef
export PROVIDE_LIBGOMP

clean:
	rm -rf $(VENV) $(BENCH) my_runs
