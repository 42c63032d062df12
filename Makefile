# Everything runs from the clone: environments lie in .venv and .venvs, both ignored by git.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The kernels that the tests speak to, beside .venv's own, which holds the newest ipykernel.
KERNELS := ik-6.29 ik-7.0 ik-7.1
ik-6.29 := "ipykernel==6.29.*" "ipython<9"
ik-7.0 := "ipykernel==7.0.1"
ik-7.1 := "ipykernel==7.1.*"

# Who is timed beside us; eco2ai still asks for pkg_resources and an old pandas.
PEERS := codecarbon carbontracker eco2ai pyJoules zeus "setuptools<81" "pandas<3"

.PHONY: run test lint format coverage bench bench-accuracy clean
.DELETE_ON_ERROR:

# A copy is opened, so that what JupyterLab saves does not land in the clone.
run: .venv/ok
	@here=$$(mktemp -d) && trap 'rm -rf "$$here"' EXIT INT TERM && cp -r examples "$$here" && export PATH="$(CURDIR)/$(BIN):$$PATH" && \
	if [ -n "$$JC_HEADLESS" ]; then \
	  cd "$$here" && JUPYTER_CARBON_LEDGER="$$here/ledger.sqlite" jupyter carbon run examples/quickstart.ipynb; \
	else \
	  cd "$$here" && jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) --LabApp.default_url=/lab/tree/examples/quickstart.ipynb; \
	fi

# Real kernels and a real browser on a busy machine answer late now and then: such a test may try again, and it is said.
test: .venv/ok $(KERNELS:%=.venvs/%/ok) .venvs/lab-4.2/ok
	$(BIN)/pytest --reruns 2 --reruns-delay 1

lint: .venv/ok
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: .venv/ok
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

coverage: .venv/ok $(KERNELS:%=.venvs/%/ok) .venvs/lab-4.2/ok
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

bench: .venvs/bench/ok .venv/ok
	@for one in overhead load idle offline ledger grid; do .venvs/bench/bin/python benchmarks/$$one.py || exit; done
	@$(BIN)/python benchmarks/panel.py

# Ours and three others on a simulated machine whose joules are known; as root, so that the others see it too.
bench-accuracy: .venvs/bench/ok
	.venvs/bench/bin/python benchmarks/accuracy.py --write

clean:
	rm -rf .venv .venvs .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist

# The panel is built from TypeScript where Node is; without it the kernel side is whole, and the panel is not there.
PANEL := $(wildcard labextension/package*.json labextension/schema/* labextension/src/*.ts labextension/src/view/*.ts labextension/style/*)

.venv/ok: pyproject.toml $(PANEL)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "jupyter_carbon needs Python 3.10 or newer; name one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	@if command -v npm >/dev/null; then $(BIN)/pip install -q -e ".[test,dev]"; else \
	  echo "No npm here: the panel is left out (install Node 20 or newer to have it)."; \
	  SKIP_JUPYTER_BUILDER=1 $(BIN)/pip install -q -e ".[test,dev]"; fi
	$(BIN)/python -m ipykernel install --prefix .venvs/specs --name ik-newest >/dev/null
	@touch $@

.venvs/bench/ok: pyproject.toml
	$(PYTHON) -m venv .venvs/bench
	SKIP_JUPYTER_BUILDER=1 .venvs/bench/bin/pip install -q -e . "ipykernel>=7" $(PEERS)
	@touch $@

$(KERNELS:%=.venvs/%/ok): .venvs/%/ok: pyproject.toml | .venv/ok
	$(PYTHON) -m venv .venvs/$*
	SKIP_JUPYTER_BUILDER=1 .venvs/$*/bin/pip install -q -e . joblib $($*)
	.venvs/$*/bin/python -m ipykernel install --prefix .venvs/specs --name $* >/dev/null
	@touch $@

# The oldest JupyterLab and Notebook that the panel runs in; .venv holds the newest.
.venvs/lab-4.2/ok: pyproject.toml | .venv/ok
	$(PYTHON) -m venv .venvs/lab-4.2
	SKIP_JUPYTER_BUILDER=1 .venvs/lab-4.2/bin/pip install -q -e . "jupyterlab==4.2.*" "notebook==7.2.*"
	@touch $@
