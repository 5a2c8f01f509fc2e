# Two commands: `make demo` and `make test`. Everything lands in .venv/ and runs/.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help demo test test-quick lint lab lessons clean

help:
	@echo "make demo        train and evaluate a small CCLGAN from scratch, about 10 minutes"
	@echo "make test        all tests"
	@echo "make test-quick  tests for daily work, under 2 minutes"
	@echo "make lint        ruff"
	@echo "make lab         JupyterLab on notebooks/"
	@echo "make lessons     execute all lessons and store their outputs"
	@echo "make clean       remove the environment (runs/ stays)"

# constraints.txt holds the exact versions that the tests passed with, on Python 3.11.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[notebooks,test,grading]'
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

# The only way a lesson is saved: measured in profile ci, executed and stored in profile cpu.
lessons: $(INSTALLED)
	$(BIN)/python notebooks/lessons.py run --profile ci
	$(BIN)/python notebooks/lessons.py run

lab: $(INSTALLED)
	$(BIN)/jupyter lab notebooks

clean:
	rm -rf $(VENV)
