# Every command does the set-up that it needs, in .venv: once, and again when pyproject.toml or constraints.txt change.

PYTHON ?= python3.11 python3 python
SUBJECT ?= reference
TESTS ?= tests

VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/ready
PACKAGE := build/package

export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport PYTHONPATH PYTHONHOME

.PHONY: help setup verify test test-cores bench check lint layering package types clean

help: ## these lines
	@echo "make TARGET, where TARGET is:"
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  %-11s %s\n", $$1, $$2 }'
	@echo "PYTHON=/path/to/python chooses the Python of the set-up (3.11 or later)."

verify: $(READY) ## verify the reference against every oracle; SUBJECT=my_file.py:backprop another; ARGS="--seed 1"
	@$(PY) -m backproof verify "$(SUBJECT)" --require torch,jax $(ARGS)

test: $(READY) ## run the tests; TESTS=tests/test_cli.py some of them; ARGS="-k kinks"
	$(PY) -m pytest -n auto --maxprocesses 4 $(TESTS) $(ARGS)

test-cores: $(READY) ## run the tests with OpenBLAS as it is, as for Haswell and as for SkylakeX
	@tests/tools/cores.sh $(MAKE) test

check: lint layering types ## lint, one-way imports, what the packages hold, types of the installed wheel

bench: $(READY) ## print the figures, each beside its bar; ARGS="--only cost"
	$(PY) tests/benchmarks/bench.py $(ARGS)

setup: $(READY) ## only the set-up

lint: $(READY) ## ruff
	$(PY) -m ruff check .

layering: $(READY) ## imports go one way
	$(PY) -m pytest -q tests/test_layering.py

package: $(READY) ## build sdist and wheel, install the wheel apart, look what they hold
	@rm -rf $(PACKAGE)
	$(PY) -m build --no-isolation --outdir $(PACKAGE)/dist . >$(VENV)/build.log 2>&1 || { cat $(VENV)/build.log; exit 1; }
	$(PY) -m pip install -q --no-deps --no-index --target $(PACKAGE)/site $(PACKAGE)/dist/*.whl
	$(PY) tests/tools/check_package.py $(PACKAGE)/dist $(PACKAGE)/site

types: package ## mypy, strict, on the installed wheel
	MYPYPATH=$(PACKAGE)/site $(PY) -m mypy --config-file pyproject.toml -p backproof

clean: ## remove what the commands made, .venv included
	rm -rf $(VENV) build *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(READY): pyproject.toml constraints.txt
	@echo "setting up $(VENV); the first time takes minutes, most of them for torch and jax"
	@for python in $(PYTHON); do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then exec $$python -m venv $(VENV); fi; \
	done; echo "backproof needs Python 3.11 or later; none of these is: $(PYTHON). Try: make PYTHON=/path/to/python" >&2; exit 1
	$(PY) -m pip install -q -c constraints.txt pip setuptools  # the pip of a new environment may know no --group
	$(PY) -m pip install -q -c constraints.txt --no-build-isolation -e '.[all]' --group dev
	@touch $@
