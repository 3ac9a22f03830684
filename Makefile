# make demo    the main job on a small scale: the 2/3 law on matrix sensing, with its report
# make test    everything that CI runs: lint, types, layers, tests
# make studies-quick    every study in small, in a few minutes
# make docs    the site into build/site, no warning allowed; make docs-serve shows it as you write
# make explorer    docs/explorer.html anew from explorer/, with node
# make release-check    builds what would be published, and uses it in an empty environment
# make test-lowest    the tests at the lowest versions that pyproject.toml allows
PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
STUDIES ?= $(patsubst studies/%/run.py,%,$(wildcard studies/*/run.py))
comma = ,
space = $(subst ,, )
INSTALL = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-slow test-lowest lint bench results studies-quick pages quotes docs docs-serve release-check explorer clean

demo: $(VENV)/.lab
	$(VENV)/bin/flatfast reproduce matrix-sensing --quick --out runs/demo

test: lint
	$(VENV)/bin/python -m pytest -n $(JOBS) --dist loadfile

# The larger cases, which `test` leaves out: a quarter of an hour of a core or so.
test-slow: $(VENV)/.dev
	$(VENV)/bin/python -m pytest -n $(JOBS) --dist loadfile -m slow

# In an environment of its own, for EXTRAS; tests of what is not installed are skipped.
EXTRAS ?= lab optax
test-lowest:
	$(PYTHON) -m venv $(VENV)-lowest
	$(PYTHON) scripts/lowest.py $(EXTRAS) > $(VENV)-lowest/lowest.txt
	$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check \
		-c $(VENV)-lowest/lowest.txt -e ".[$(subst $(space),$(comma),$(EXTRAS))]" pytest pytest-xdist hypothesis
	$(VENV)-lowest/bin/python -m pytest -n $(JOBS)

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python -m studies.quotes --check

bench: $(VENV)/.dev
	$(VENV)/bin/python -m benchmarks.sweep_throughput
	$(VENV)/bin/python -m benchmarks.network_throughput
	$(VENV)/bin/python -m benchmarks.chunk_memory
	$(VENV)/bin/python -m benchmarks.store_size
	$(VENV)/bin/python -m benchmarks.optimizer_overhead
	$(VENV)/bin/python -m benchmarks.gauge_overhead
	$(VENV)/bin/python -m benchmarks.calibration_cost
	$(VENV)/bin/python -m benchmarks.engines
	$(VENV)/bin/python -m benchmarks.engine_kills

# The committed experiments in full, hours; stopped, it goes on (runs/studies/experiments keeps
# them: delete it to start over). Each study has a command of its own.
results: $(VENV)/.dev
	$(VENV)/bin/python -m studies experiments --again
	$(MAKE) quotes

# A look at every study, apart from the committed results: that they run, not what they say.
studies-quick: $(VENV)/.dev
	@for study in $(STUDIES); do $(VENV)/bin/python -m studies $$study --quick || exit 1; done

# The committed reports in today's form, after a change of how reports look.
pages: $(VENV)/.dev
	$(VENV)/bin/python -m scripts.pages

# README and docs quote committed results; this writes the quotes, and what is made of the docs.
quotes: $(VENV)/.dev
	$(VENV)/bin/python -m studies.quotes
	$(VENV)/bin/python -m scripts.site.assistants
	$(VENV)/bin/python -m scripts.site.notebooks

docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build --strict

docs-serve: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs serve

# Other interpreters: make release-check PYTHONS="python3.12 python3.13"
PYTHONS ?= $(PYTHON)
release-check: $(VENV)/.dev
	$(INSTALL) -e ".[release]"
	$(VENV)/bin/python -m scripts.release $(patsubst %,--python %,$(PYTHONS))

# Needs node 20 and npm. The page is committed; a test says when it is stale.
explorer: explorer/node_modules
	cd explorer && npm run --silent types && npm run --silent test && npm run --silent build

explorer/node_modules: explorer/package-lock.json
	cd explorer && npm ci --no-audit --no-fund
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-lowest explorer/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

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
