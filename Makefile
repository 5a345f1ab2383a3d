# Everything here runs from a fresh clone: the first command makes .venv and installs the pinned versions.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.PHONY: demo test check format bench chaos screenshots clean

demo: .venv/installed
	$(BIN)/hookline demo $(ARGS)

test: .venv/installed
	$(BIN)/pytest --numprocesses 4 $(ARGS)

bench: .venv/installed
	$(BIN)/python -m bench $(if $(QUICK),--quick) $(ARGS)

chaos: .venv/installed
	$(BIN)/python -m chaos $(if $(QUICK),--quick) $(ARGS)

screenshots: .venv/installed
	$(BIN)/python -m screenshots $(ARGS)

check: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	PIP_CONSTRAINT= PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/pip install --quiet --constraint constraints.txt --editable '.[receiver,worker,console,tracing,embedded,dev]'
	touch $@

clean:
	rm -rf .venv .hookline .bench .chaos
