# make demo: run the main job on sample photographs.  make test: run the tests.
# Both make .venv and install what they need when that is missing; only Python and make are assumed.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint types bench clean

demo: .venv/installed
	$(BIN)/visualwords demo

test: .venv/installed-test
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

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

# An environment without the file "installed" is half made or of another Python: it is made anew.
CHECK := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
define install
	@$(PYTHON) $(CHECK) || { \
		echo "visualwords needs Python 3.11 or newer; '$(PYTHON)' is older or missing."; \
		echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12"; \
		exit 1; }
	test -f $@ && $(@D)/bin/python $(CHECK) || $(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --upgrade pip
	$(@D)/bin/python -m pip install --quiet --editable "$(1)"
	touch $@
endef

.venv/installed: pyproject.toml
	$(call install,.)

.venv-bench/installed: pyproject.toml
	$(call install,.[bench])

.venv/installed-%: .venv/installed
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	touch $@

clean:
	rm -rf .venv .venv-bench build dist *.egg-info
