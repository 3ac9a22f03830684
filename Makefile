# make demo    the main job on a small scale: the 2/3 law on matrix sensing, with its report
# make test    everything that CI runs: lint, types, layers, tests
PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
INSTALL = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint bench results quotes clean

demo: $(VENV)/.lab
	$(VENV)/bin/flatfast reproduce matrix-sensing --quick --out runs/demo

test: lint
	$(VENV)/bin/python -m pytest -n $(JOBS) --dist loadfile

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python -m scripts.quotes --check

bench: $(VENV)/.dev
	$(VENV)/bin/python benchmarks/sweep_throughput.py
	$(VENV)/bin/python benchmarks/statistics_study.py
	$(VENV)/bin/python benchmarks/optimizer_overhead.py
	$(VENV)/bin/python -m benchmarks.limit_study --quick --runs-folder runs/limit-study-quick \
		--out runs/limit-study-quick/limit.json

results: $(VENV)/.dev
	PATH="$(abspath $(VENV))/bin:$$PATH" scripts/make_results.sh
	$(MAKE) quotes

# README and docs quote committed results; this writes the quotes.
quotes: $(VENV)/.dev
	$(VENV)/bin/python -m scripts.quotes

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip

$(VENV)/.lab: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) -e ".[lab]"
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) torch
	$(INSTALL) -e ".[dev]"
	touch $@ $(VENV)/.lab
