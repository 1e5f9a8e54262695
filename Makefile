# make demo: run the main job on sample photographs.  make test: run the tests.
# Both make .venv and install what they need when that is missing; only Python and make are assumed.
PYTHON ?= python3
BIN := .venv/bin
COMMA := ,

.PHONY: demo test docs lint types bench matrix clean

demo: .venv/installed
	$(BIN)/visualwords demo

test: .venv/installed-dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

# The site: build/site/index.html. A warning, an example that fails or a broken link is an error.
docs: .venv/installed-docs
	$(BIN)/python -m sphinx -q -W --keep-going -d build/doctrees docs build/site
	$(BIN)/python docs/check_links.py build/site

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The checkout's folder may be called anything, so the types are checked through links to it from
# a folder with the package's name.
types: .venv/installed-dev
	rm -rf build/types
	mkdir -p build/types/visualwords
	ln -s $(abspath $(wildcard *.py) features classifiers pipeline) build/types/visualwords
	cd build && MYPYPATH=types ../$(BIN)/python -m mypy --config-file ../pyproject.toml -p visualwords

# OpenCV 5 has no HOGDescriptor to compare with, so the benchmarks have an environment of their own.
# Real images: VISUALWORDS_DATA names a folder that holds cifar10/ and scenes15/.
bench: .venv-bench/installed
	.venv-bench/bin/python -m benchmarks features
	.venv-bench/bin/python -m benchmarks training
	.venv-bench/bin/python -m benchmarks lecture

# Fresh environments: .ci/matrix.py lists them. The tests are those of what dependencies and Pythons can
# change: numerics, kernels, estimators, decoders, tables, the command line. Left out are tests of
# clusters, S3, browsers, signals and long searches, whose packages are not in the environments.
MATRIX_TESTS := tests/test_hints.py tests/test_simd.py tests/test_threads.py tests/features/hog \
	tests/features/patches tests/features/words/test_bag.py tests/features/words/test_search.py \
	tests/features/test_common.py tests/features/test_hue.py tests/features/test_image.py \
	tests/classifiers/test_estimators.py tests/classifiers/test_linear.py \
	tests/classifiers/test_cross_validation.py tests/classifiers/solvers/test_solvers.py \
	tests/pipeline/formats tests/pipeline/store/test_rows.py tests/pipeline/store/test_tables.py \
	tests/pipeline/sources/test_folder.py tests/pipeline/sources/test_manifest.py \
	tests/pipeline/sources/test_tar.py tests/pipeline/test_reader.py tests/pipeline/test_persist.py \
	tests/pipeline/test_load_image.py tests/pipeline/test_job.py tests/pipeline/test_cli.py \
	tests/pipeline/report/test_displays.py
matrix:
	$(PYTHON) -m venv .venv-matrix
	.venv-matrix/bin/python -m pip install --quiet uv
	.venv-matrix/bin/python .ci/matrix.py $(ROWS) -- $(MATRIX_TESTS)

# An environment without a file "installed*" is half made, one of another Python is of no use: both
# are made anew.
CHECK := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
define install
	@$(PYTHON) $(CHECK) || { \
		echo "visualwords needs Python 3.11 or newer; '$(PYTHON)' is older or missing."; \
		echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12"; \
		exit 1; }
	ls $(@D)/installed* >/dev/null 2>&1 && $(@D)/bin/python $(CHECK) || $(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --editable "$(1)"
	touch $@
endef

.venv/installed: pyproject.toml
	$(call install,.)

.venv-bench/installed: pyproject.toml
	$(call install,.[bench])

.venv/installed-dev: pyproject.toml
	$(call install,.[test$(COMMA)lint])

.venv/installed-docs: pyproject.toml
	$(call install,.[docs])

clean:
	rm -rf .venv .venv-bench build dist *.egg-info docs/api docs/gallery
