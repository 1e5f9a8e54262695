# make demo: run the main job on sample photographs.  make test: run the tests.
# Both make .venv and install what they need when that is missing; only Python and make are assumed.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint types bench clean

demo: .venv/installed
	$(BIN)/visualwords demo

test: .venv/installed-test
	$(BIN)/python -m pytest

lint: .venv/installed-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Types are checked in an installed copy: the checkout's folder may be called anything.
types: .venv/installed-lint
	rm -rf build/types
	$(BIN)/python -m pip install --quiet --no-deps --target build/types .
	cd build && MYPYPATH=types ../$(BIN)/python -m mypy --config-file ../pyproject.toml -p visualwords

# OpenCV 5 has no HOGDescriptor to compare with, so the benchmarks have an environment of their own.
# Real images: VISUALWORDS_DATA names a folder that holds cifar10/ and scenes15/.
bench: .venv-bench/installed
	.venv-bench/bin/python -m benchmarks features
	.venv-bench/bin/python -m benchmarks training
	.venv-bench/bin/python -m benchmarks lecture

.venv-bench/installed: pyproject.toml
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --upgrade pip
	.venv-bench/bin/python -m pip install --quiet --editable ".[bench]"
	touch $@

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/installed-%: .venv/installed
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	touch $@

clean:
	rm -rf .venv .venv-bench build dist *.egg-info
