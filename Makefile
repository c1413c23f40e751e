# Two commands do everything on a fresh machine with Python 3.11 or newer:
#   make demo    train on emoji, draw new ones, compare samplers: twelve minutes on two CPU cores after the install
#   make test    the tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo

.PHONY: demo test lint format clean

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

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache dist build

# A file for each extra that is installed. What the tests need holds what the demo needs, so that nothing is done twice.
$(VENV)/demo: pyproject.toml
	$(call install,demo)
	touch $@

$(VENV)/dev: pyproject.toml
	$(call install,dev)
	touch $(VENV)/demo $@

define install
	@echo "Installing lightgen[$(1)] into $(VENV): about 6 GB, as on Linux torch brings CUDA along; 4 to 10 minutes in silence."
	@echo "Without a GPU, 1.5 GB are enough: README.md says under Start how to get torch for the CPU."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[$(1)]"
endef
