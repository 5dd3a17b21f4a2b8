# make chapter   train the chapter's five networks and write my_runs/chapter/report.html
# make test      run the tests
# Both first build what they need: a virtual environment in .venv, the pinned packages, the data.
# make PYTHON=python3.13 test    the same with a Python of your choice, 3.8 to 3.14
#
# Two environments side by side: make PYTHON=python3.13 VENV=.venv-3.13 test

PYTHON ?= $(shell for p in python3.11 python3.10 python3.12 python3.13 python3.14 python3.9 python3.8 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 8) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BENCH ?= .venv-bench
BIN := $(VENV)/bin
PIP := -m pip install --quiet --disable-pip-version-check -c constraints.txt
ARGS ?=

# An environment keeps the Python that it was made with; asking for another one must not be passed over.
version = $(shell $(1) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
ifeq ($(origin PYTHON),command line)
ifneq ($(wildcard $(BIN)/python),)
ifneq ($(call version,$(PYTHON)),$(call version,$(BIN)/python))
$(error $(VENV) is made with Python $(call version,$(BIN)/python), and $(PYTHON) is $(call version,$(PYTHON)). \
Remove $(VENV), or name a folder beside it: make PYTHON=$(PYTHON) VENV=.venv-$(call version,$(PYTHON)))
endif
endif
endif

.PHONY: help chapter tutorial article talk beyond exercises notebooks lab test quick lint docs faults bench evidence results clean

help:
	@sed -n 's/^# make/make/p' Makefile

# make chapter ARGS=--quick    one minute; ARGS goes to the command, see gluon-lr chapter --help
# make tutorial article talk beyond exercises    the other studies
chapter: $(VENV)/chapter.ready
	$(BIN)/python -m gluon_lr.chapter $(ARGS)

tutorial article talk beyond exercises: $(VENV)/chapter.ready
	$(BIN)/python -m gluon_lr $@ $(ARGS)

test: $(VENV)/dev.ready lint data .gluonts/ready
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

# make quick     lint and the tests that are not slow, two minutes; nothing is fetched
quick: $(VENV)/dev.ready lint
	$(BIN)/python -m pytest -n 2 --dist worksteal -q -m "not slow" $(ARGS)

lint: $(VENV)/dev.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: data
data: $(VENV)/chapter.ready
	$(BIN)/python -m gluon_lr data fetch fashion-mnist
	$(BIN)/python -m gluon_lr data fetch cifar10

# make notebooks    execute all notebooks and keep their outputs; ARGS=--smoke in small, and nothing is kept
notebooks: $(VENV)/dev.ready
	$(BIN)/python notebooks/run.py $(ARGS)

# make lab    open the notebooks in JupyterLab; it keeps its copies of what is opened in .venv, not beside it
lab: $(VENV)/dev.ready
	$(BIN)/python -m jupyterlab --notebook-dir=. --LabApp.default_url=/lab/tree/notebooks \
		--FileCheckpoints.checkpoint_dir=$(abspath $(VENV))/checkpoints $(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS)

# make evidence    everything that chapter_runs/ holds: see chapter_runs/README.md for the hours
evidence: $(VENV)/dev.ready
	$(BIN)/python -m gluon_lr chapter --out chapter_runs/chapter --seeds 0-19
	$(BIN)/python -m gluon_lr chapter --out chapter_runs/chapter --reading per-update --only multi-factor --seeds 0-19
	$(BIN)/python -m gluon_lr chapter --out chapter_runs/chapter --reading per-epoch --seeds 0-19
	$(BIN)/python -m gluon_lr chapter --out chapter_runs/chapter --reading per-epoch-ramped --only cosine-warmup --seeds 0-19
	$(BIN)/python -m gluon_lr beyond --out chapter_runs/beyond --seeds 0-9
	$(BIN)/python -m gluon_lr tutorial --out chapter_runs/tutorial --seeds 0-9
	$(BIN)/python -m gluon_lr article --out chapter_runs/article --seeds 0-9
	$(BIN)/python -m gluon_lr talk --out chapter_runs/talk --seeds 0-9
	$(BIN)/python -m gluon_lr exercises --out chapter_runs/exercises --seeds 0-9
	$(BIN)/python benchmarks/finder/regret.py
	$(BIN)/python benchmarks/finder/tuning.py
	$(BIN)/python benchmarks/finder/chosen.py
	$(BIN)/python -m gluon_lr schedulers --out chapter_runs/gallery.png
	$(BIN)/python notebooks/run.py

# make results    reports, tables and generated pages, made again from the committed records
results: $(VENV)/dev.ready
	$(BIN)/python -m gluon_lr chapter --out chapter_runs/chapter --report-only --markdown README.md \
		--markdown docs/results/chapter.md
	for study in tutorial article talk beyond exercises; do \
		$(BIN)/python -m gluon_lr $$study --out chapter_runs/$$study --report-only \
			--markdown docs/results/$$study.md || exit 1; done
	$(BIN)/python -m gluon_lr.studies.forest
	$(BIN)/python benchmarks/finder/regret.py --report-only --markdown docs/results/finder.md
	$(BIN)/python benchmarks/finder/tuning.py --report-only --markdown docs/results/finder.md
	$(BIN)/python benchmarks/finder/chosen.py --markdown docs/results/finder.md
	$(BIN)/python benchmarks/faults/campaigns.py --markdown docs/about/reliability.md
	$(BIN)/python benchmarks/speed/bench.py --report-only --markdown docs/about/speed.md

# make docs     build the site into site/
DOCS ?= .venv-docs
DOCS_PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11, 5))' 2>/dev/null && echo $$p && break; done)

# In an environment of its own: it reads the sources and never imports MXNet. A broken link is an error.
# (Not with --quiet: mkdocs then sees no warnings, and strict finds nothing.)
docs: $(DOCS)/docs.ready
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/python -m mkdocs build --strict

$(DOCS)/docs.ready: docs/requirements.txt
	@test -n "$(DOCS_PYTHON)" || { echo "make docs needs Python 3.11.5 or newer; none is on the PATH. \
	Name one: make docs DOCS_PYTHON=/path/to/python3.11"; exit 1; }
	$(DOCS_PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check -r docs/requirements.txt
	touch $@

# make faults    faults in large numbers, twenty minutes
faults: $(VENV)/dev.ready
	$(BIN)/python -W ignore benchmarks/faults/campaigns.py

# make bench     how fast, beside d2l's loop and PyTorch; half an hour on an idle machine
bench: $(BENCH)/bench.ready
	$(BENCH)/bin/python -m gluon_lr data fetch fashion-mnist
	$(BENCH)/bin/python -m gluon_lr data fetch cifar10
	$(BENCH)/bin/python benchmarks/speed/bench.py $(ARGS)

$(VENV)/python.ready:
	@$(call make_environment,$(VENV))
	$(BIN)/python $(PIP) pip setuptools wheel
	touch $@

$(VENV)/chapter.ready: $(VENV)/python.ready setup.py constraints.txt
	@echo "installing what is pinned in constraints.txt, a minute or two"
	$(BIN)/python $(PIP) -e '.[chapter]'
	@$(call install_beside,$(BIN))
	touch $@

$(VENV)/dev.ready: $(VENV)/python.ready setup.py constraints.txt
	@echo "installing what is pinned in constraints.txt, a few minutes"
	$(BIN)/python $(PIP) -e '.[dev]'
	@$(call install_beside,$(BIN))
	touch $@ $(VENV)/chapter.ready

# GluonTS is only ever tried with, in a folder of its own: it needs pydantic 1, and MLflow needs pydantic 2.
.gluonts/ready: $(VENV)/python.ready
	if $(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 13))'; then \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --target .gluonts --no-deps \
			gluonts==0.13.7 pydantic==1.10.24 toolz==0.12.1; fi
	mkdir -p .gluonts
	touch $@

# PyTorch is only ever measured against, in an environment of its own: GluonCV refuses to load beside it.
$(BENCH)/bench.ready: setup.py constraints.txt benchmarks/speed/requirements.txt
	@$(call make_environment,$(BENCH))
	$(BENCH)/bin/python $(PIP) pip setuptools wheel
	$(BENCH)/bin/python $(PIP) -e '.[chapter]' -r benchmarks/speed/requirements.txt
	@$(call install_beside,$(BENCH)/bin)
	touch $@

# A virtual environment of $(PYTHON). Where no Python on the PATH will do, uv brings one.
define make_environment
	if test -n "$(PYTHON)"; then \
		$(PYTHON) -c "$$CHECK_PYTHON" && $(PYTHON) -m venv $(1) || { rm -rf $(1); exit 1; }; \
	else \
		echo "No Python 3.8 to 3.14 is on the PATH: making $(1) with uv, which downloads Python 3.11"; \
		uv=$$(command -v uv) || { for p in python3 python; do \
			$$p -m pip install --quiet --target .uv uv && uv=.uv/bin/uv && break; done 2>/dev/null; }; \
		test -n "$$uv" && $$uv venv --quiet --python 3.11 $(1) && \
		$(1)/bin/python -m ensurepip >/dev/null || { rm -rf $(1); \
			echo "gluon_lr needs Python 3.8 to 3.14. Install one and name it: make PYTHON=/path/to/python3.11"; exit 1; }; \
	fi
endef

define CHECK_PYTHON
import sys
if not (3, 8) <= sys.version_info[:2] <= (3, 14):
    sys.exit("gluon_lr needs Python 3.8 to 3.14, $(PYTHON) is {}.{}. Name another: "
             "make PYTHON=/path/to/python3.11".format(*sys.version_info[:2]))
endef
export CHECK_PYTHON

# MXNet declares numpy<2 and d2l numpy==1.23.5, which newer Pythons cannot install and both can do without
# (gluon_lr/compat). So where setup.py leaves them out, they go in without their declarations.
define install_beside
	if $(1)/python -c 'import sys; sys.exit(sys.version_info < (3, 12))'; then \
		$(1)/python $(PIP) --no-deps mxnet==1.9.1 d2l==1.0.3 gluoncv==0.10.5.post0; fi && \
	$(1)/python -c "$$PROVIDE_LIBRARIES" && $(1)/python -c "$$IMPORT_HOOK"
endef

# In this environment `import mxnet` works before `import gluon_lr`, too: its site imports gluon_lr at every start.
define IMPORT_HOOK
import pathlib, sysconfig
pathlib.Path(sysconfig.get_path("purelib"), "gluon_lr.pth").write_text(
    "import importlib.util; importlib.util.find_spec('gluon_lr') and __import__('gluon_lr')\n")
endef
export IMPORT_HOOK

# MXNet needs the system's libgomp and libquadmath and looks for them beside itself first; other wheels bring them along.
define PROVIDE_LIBRARIES
import ctypes, pathlib, sysconfig
site = pathlib.Path(sysconfig.get_path("purelib"))
for library, wheels in (("libgomp.so.1", "scikit_learn"), ("libquadmath.so.0", "*")):
    try:
        ctypes.CDLL(library)
    except OSError:
        link = site / "mxnet" / library
        for found in sorted(site.glob(wheels + ".libs/" + library.split(".")[0] + "*"))[:1]:
            link.exists() or link.symlink_to(found)
endef
export PROVIDE_LIBRARIES

clean:
	rm -rf $(VENV) $(BENCH) $(DOCS) .uv .gluonts my_runs site
