# Two commands: `make demo` and `make test`. Everything lands in .venv/ and runs/.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help book demo test test-quick test-matrix canary campaigns security lint lab lessons clean

help:
	@echo "make demo        train and evaluate a small CCLGAN from scratch, 6 to 20 minutes"
	@echo "make test        all tests"
	@echo "make test-quick  tests for daily work, under 2 minutes"
	@echo "make test-matrix the fast tests on every Python, with the lowest and newest versions"
	@echo "make canary      the lessons with the newest of everything"
	@echo "make campaigns   damaged inputs and faults, many of each (docs/reliability.md), hours"
	@echo "make security    bandit, and pip-audit, which needs the internet"
	@echo "make lint        ruff and bandit"
	@echo "make lab         JupyterLab on notebooks/"
	@echo "make lessons     execute all lessons and store their outputs"
	@echo "make book        the course as a web site, in build/book/html"
	@echo "make clean       remove the environment (runs/ stays)"

# constraints.txt holds the exact versions that the tests passed with, on Python 3.11.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[notebooks,test,grading,book]'
	touch $@

demo: $(INSTALLED)
	$(BIN)/cclgan-lite demo

test: $(INSTALLED) lint
	$(BIN)/python -m pytest -n auto
	cd notebooks && ../$(BIN)/python -m pytest

test-quick: $(INSTALLED)
	$(BIN)/python -m pytest -m "not slow"

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/bandit -q -ll -c pyproject.toml -r cclgan_lite data_scripts notebooks/assignments/grader

test-matrix:
	tests/matrix.sh

canary:
	PYTHONS=3.13 RESOLUTIONS=highest FOLDER=notebooks MARKS= tests/matrix.sh

campaigns: $(INSTALLED)
	$(BIN)/python -m pytest tests/test_inputs.py --hypothesis-profile campaign
	$(BIN)/python tests/faults.py

security: lint
	$(BIN)/python -m pip install --quiet pip-audit
	$(BIN)/pip-audit --skip-editable

# The only way a lesson is saved: measured in profile ci, executed and stored in profile cpu.
lessons: $(INSTALLED)
	$(BIN)/python notebooks/lessons.py run --profile ci
	$(BIN)/python notebooks/lessons.py run

# The course as a static site, in build/book/html.
book: $(INSTALLED)
	$(BIN)/python docs/book/build.py

lab: $(INSTALLED)
	$(BIN)/jupyter lab notebooks

clean:
	rm -rf $(VENV)
