# One command each; every target sets up what it needs. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml CMakeLists.txt $(wildcard cpp/*.* cpp/*/*)

.PHONY: demo test check format sanitize simulations bench docs clean

$(BIN)/python:
	$(PYTHON) -c "import sys; sys.exit(0 if sys.version_info >= (3, 11) else 'Butfor needs Python 3.11 or newer; set PYTHON=')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.installed: $(BIN)/python $(SOURCES)
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.developing: $(BIN)/python $(SOURCES)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.installed

## The study that ships with the package, from a fresh machine to report.html
demo: $(VENV)/.installed
	$(BIN)/butfor demo --report report.html

## The whole suite but the long simulations
test: $(VENV)/.developing
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -q

## Style, types, layers, budgets, references of the docs
check: $(VENV)/.developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --project pyproject.toml --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/python tools/budgets.py
	$(BIN)/python -m sphinx -W --keep-going -q -b dummy docs docs/_build/check

format: $(VENV)/.developing
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

## The forest kernel under ThreadSanitizer, then under AddressSanitizer with undefined behaviour
sanitize: build/stress-thread build/stress-address,undefined
	build/stress-thread
	build/stress-address,undefined

build/stress-%: tests/native/stress.cpp cpp/forest/bins.cpp $(wildcard cpp/*.hpp cpp/forest/*.hpp)
	@mkdir -p build
	$(CXX) -std=c++17 -O1 -g -Wall -Wextra -Werror -fno-sanitize-recover=all -fsanitize=$* -pthread -o $@ $(filter %.cpp,$^)

## Bias and coverage of every standard error; writes docs/simulations.md (about an hour on two cores)
simulations: $(VENV)/.developing
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.simulation docs/simulations.md

.venv-bench/.installed: $(SOURCES)
	test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet dowhy doubleml econml statsmodels y0 antecedent StatsPAI --editable .
	@touch $@

## This project beside its peers in one run; writes docs/benchmarks.md and docs/benchmarks-identification.md
bench: .venv-bench/.installed
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 .venv-bench/bin/python -m benchmarks docs/benchmarks.md
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 .venv-bench/bin/python -m benchmarks.identification docs/benchmarks-identification.md

## The documentation site in docs/_build
docs: $(VENV)/.developing
	$(BIN)/python -m sphinx -W -q docs docs/_build

clean:
	rm -rf $(VENV) .venv-bench build docs/_build report.html
