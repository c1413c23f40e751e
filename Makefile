# Two commands do everything on a fresh machine with Python 3.11 or newer:
#   make demo    train on emoji, draw new ones, compare samplers: twelve minutes on two CPU cores after the install
#   make test    the tests
# make docs builds the documentation into docs/_build/html; warnings are errors, notebooks are run.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo

.PHONY: demo test lint format docs clean

demo: $(VENV)/demo
	$(BIN)/lightgen demo --out $(OUT)

test: $(VENV)/dev
	$(BIN)/python -m pytest

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/docs
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going docs docs/_build/html

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache dist build docs/_build docs/generated

# A file for each extra that is installed. What the tests need holds what the demo needs, so that nothing is done twice.
$(VENV)/demo: pyproject.toml
	$(call install,demo)
	touch $@

$(VENV)/docs: pyproject.toml
	$(call install,docs)
	touch $(VENV)/demo $@

$(VENV)/dev: pyproject.toml
	$(call install,dev)
	touch $(VENV)/demo $(VENV)/docs $@

define install
	@echo "Installing lightgen[$(1)] into $(VENV): about 6 GB, as on Linux torch brings CUDA along; 4 to 10 minutes in silence."
	@echo "Without a GPU, 1.5 GB are enough: docs/start.md says how to get torch for the CPU."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[$(1)]"
endef
