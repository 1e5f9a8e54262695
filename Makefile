# make demo: run the main job on sample photographs.  make test: run the tests.
# Both make .venv and install what they need when that is missing; only Python and make are assumed.
PYTHON ?= python3
BIN := .venv/bin
COMMA := ,
# Where the environment forbids Python to keep what it compiled, each process would compile all of
# every dependency that it imports: 3 s for each command that a test starts.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test docs site pages lint types bench matrix release clean

demo: .venv/installed
	$(BIN)/visualwords demo

# TESTS: what to test instead of tests/. Those of docs/ need what "pages" installs.
test: .venv/installed-dev
	$(BIN)/python -m pytest $(TESTS) -n auto --maxprocesses 4 --dist worksteal

# A warning, a broken link, or code on a page that fails is an error.
docs: site pages

# build/site/index.html
site: .venv/installed-docs
	$(BIN)/python -m sphinx -q -W --keep-going -d build/doctrees docs build/site
	$(BIN)/python docs/check_links.py build/site

pages: .venv/installed-docs
	$(BIN)/python -m pytest docs -n auto --maxprocesses 4 --dist worksteal

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

# Fresh environments: several Pythons, the oldest and the newest dependencies, OpenCV 4 and 5, headless
# and not. .ci/matrix.py lists them, and the reduced selection of tests that they run: of what Pythons
# and dependencies can change. Some of them: make matrix ROWS="3.11-lowest 3.13"
matrix:
	$(PYTHON) -m venv .venv-matrix
	.venv-matrix/bin/python -m pip install --quiet uv
	.venv-matrix/bin/python .ci/matrix.py $(ROWS)

# dist/: an sdist that passes its own tests where it is unpacked, and a wheel that installs whole.
release:
	rm -rf dist build/sdist
	$(PYTHON) -m venv --clear .venv-release
	.venv-release/bin/python -m pip install --quiet build
	.venv-release/bin/python -m build
	mkdir -p build/sdist
	tar xzf dist/visualwords-*.tar.gz -C build/sdist --strip-components 1
	$(MAKE) -C build/sdist test
	$(PYTHON) -m venv --clear .venv-release
	.venv-release/bin/python -m pip install --quiet dist/visualwords-*.whl
	.venv-release/bin/python -m pip check
	cd / && $(abspath .venv-release)/bin/visualwords --version

# uv installs in a quarter of pip's time. It does not read pip's settings, of a mirror for instance:
# where it fails, pip installs. Python compiles a module when it is first imported; pip would compile
# all of every dependency.
# An environment without a file "installed*" is half made, one of another Python is of no use: both
# are made anew.
CHECK := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
define install
	@$(PYTHON) $(CHECK) || { \
		echo "visualwords needs Python 3.11 or newer; '$(PYTHON)' is older or missing."; \
		echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12"; \
		exit 1; }
	ls $(@D)/installed* >/dev/null 2>&1 && $(@D)/bin/python $(CHECK) || $(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet uv && $(@D)/bin/python -m uv pip install --quiet --editable "$(1)" \
		|| $(@D)/bin/python -m pip install --quiet --no-compile --editable "$(1)"
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

# Both at once, in two thirds of the time.
.venv/installed-all: pyproject.toml
	$(call install,.[test$(COMMA)lint$(COMMA)docs])
	touch .venv/installed-dev .venv/installed-docs

clean:
	rm -rf .venv .venv-* build dist *.egg-info docs/api docs/gallery docs/pictures
