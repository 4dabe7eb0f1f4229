# Needs make, git and Python >= 3.11. Everything is installed into .venv in this folder, with the
# versions of constraints.txt. A second run of a target installs nothing.

PYTHON ?= python3
PROMPT ?= a red circle moving right on a navy background
OUT ?= out/demo.mp4

BIN := .venv/bin
CORE := .venv/.core-ready
DEV := .venv/.dev-ready
PERCEPTUAL := .venv/perceptual
QUANTIZE := .venv/quantize

.PHONY: help demo studio gallery bench test check-long check-perceptual check-quantize lint clean

help:
	@echo "make demo        generate a sequence with the shipped model (PROMPT=\"...\" OUT=file.mp4)"
	@echo "make studio      serve the page and its API on this machine"
	@echo "make gallery     make docs/gallery.md and its pictures anew with the shipped model"
	@echo "make bench       set long sequences beside GriDiT's released sampler, small: minutes"
	@echo "make test        run the tests, seconds each"
	@echo "make check-long  run the tests that take minutes each"
	@echo "make check-perceptual  run the tests of LPIPS, FID, RAFT and upscalers, whose packages lie apart"
	@echo "make check-quantize    run the tests of weights in 8 bits, whose package lies apart"
	@echo "make lint        check format, style, types and the direction of imports"
	@echo "make clean       remove .venv and caches; results in out/ and runs/ stay"

demo: $(CORE)
	@mkdir -p "$(dir $(OUT))"
	$(BIN)/filmgrid generate "$(PROMPT)" --scale 4 --out "$(OUT)"
	@echo "The sequence is in $(OUT)"

studio: $(CORE) .venv/.serve-ready
	$(BIN)/filmgrid serve

bench: $(CORE)
	$(BIN)/python benchmarks/long_sequences.py --quick

gallery: $(CORE)
	$(BIN)/python examples/gallery.py docs

test: $(DEV)
	$(BIN)/pytest

check-long: $(DEV)
	$(BIN)/pytest -m long

# Beside .venv's packages and not among them: see constraints-perceptual.txt.
check-perceptual: $(DEV) $(PERCEPTUAL)/.ready
	PYTHONPATH=$(PERCEPTUAL) $(BIN)/pytest tests/perceptual tests/upscale

# torchao speaks on every import of diffusers, so it lies beside .venv's packages too.
check-quantize: $(DEV) $(QUANTIZE)/.ready
	PYTHONPATH=$(QUANTIZE) $(BIN)/pytest tests/quantize

lint: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(CORE): pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/python -m pip install --editable . --constraint constraints.txt
	@touch $@

.venv/.serve-ready: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/python -m pip install --editable ".[serve]" --constraint constraints.txt
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/python -m pip install --editable ".[dev]" --constraint constraints.txt
	@touch $(CORE) .venv/.serve-ready $@

$(PERCEPTUAL)/.ready: constraints-perceptual.txt | $(BIN)/pip
	rm -rf $(PERCEPTUAL)
	$(BIN)/python -m pip install --target $(PERCEPTUAL) --no-deps --requirement constraints-perceptual.txt
	rm -rf $(PERCEPTUAL)/tests  # torch-fidelity's own, which would stand in for ours
	@touch $@

$(QUANTIZE)/.ready: constraints.txt | $(BIN)/pip
	rm -rf $(QUANTIZE)
	$(BIN)/python -m pip install --target $(QUANTIZE) --no-deps --constraint constraints.txt torchao
	@touch $@

$(BIN)/pip:
	@command -v "$(PYTHON)" >/dev/null || { echo "There is no $(PYTHON) on this machine. filmgrid needs Python 3.11 or newer: install it, or name yours with make PYTHON=/path/to/python3"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "filmgrid needs Python 3.11 or newer, and $(PYTHON) is $$("$(PYTHON)" -V 2>&1). Install a newer one and name it: make PYTHON=python3.13"; exit 1; }
	"$(PYTHON)" -m venv .venv
