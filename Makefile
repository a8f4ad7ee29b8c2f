# One command each; every target sets up what it needs. PYTHON=3.12 picks a Python, ARGS adds arguments.
PYTHON ?=
EXTRAS ?=
ARGS ?=
UV_VERSION := 0.13.9
BOOTSTRAP := $(shell command -v python3 || command -v python)
UV := .uv/bin/uv
RUN := .venv/bin/python

.PHONY: help setup kubeflow serve-setup run report test test-slow test-long lint format docs flink clean

help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

$(UV): Makefile
	@test -n "$(BOOTSTRAP)" || { echo "setup: no python3 on PATH; install one (apt install python3-venv)."; exit 2; }
	@$(BOOTSTRAP) -m venv .uv || { echo "setup: $(BOOTSTRAP) has no venv; apt install python3-venv."; rm -rf .uv; exit 2; }
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

setup: $(UV)  ## Install the lock into .venv-<python> (EXTRAS=gpu adds CUDA)
	@$(BOOTSTRAP) .setup/environment.py $(UV) --python "$(PYTHON)" $(addprefix --extra ,$(EXTRAS))

kubeflow: setup  ## Install the KFP SDK into .venv-kfp, for bit-tfx kubeflow
	@UV_PROJECT_ENVIRONMENT=.venv-kfp VIRTUAL_ENV= $(UV) sync --frozen --quiet --only-group kubeflow $(addprefix --only-group ,$(KFP_GROUPS)) --python $$(readlink -f $(RUN))

serve-setup: $(UV)  ## Install TensorFlow and KServe into .venv-serve, for bit-tfx serve
	@$(BOOTSTRAP) .setup/environment.py $(UV) --serve

run: setup  ## Train, judge and push the default preset (ARGS="--preset flowers")
	@$(RUN) local_runner.py $(ARGS)

report: setup  ## Open the report of the last run below runs/
	@.venv/bin/bit-tfx report --open $(ARGS)

test: KFP_GROUPS = kubeflow-test
test: setup kubeflow  ## The tests, without the slow ones, two files at a time
	@$(RUN) -m pytest -m "not slow" -n 2 --dist loadfile $(ARGS)

test-slow: KFP_GROUPS = kubeflow-test
test-slow: setup kubeflow serve-setup  ## The slow tests alone, two files at a time
	@$(RUN) -m pytest -m "slow and not long" -n 2 --dist loadfile $(ARGS)

test-long: KFP_GROUPS = kubeflow-test
test-long: setup kubeflow serve-setup  ## The longest of the slow tests, which CI leaves out
	@$(RUN) -m pytest -m long -n 2 --dist loadfile $(ARGS)

lint: setup  ## ruff, mypy and import-linter
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy
	@.venv/bin/lint-imports --no-cache

format: setup  ## Let ruff rewrite what it can
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

docs: $(UV)  ## Build the documents into build/site, in .venv-docs
	@UV_PROJECT_ENVIRONMENT=.venv-docs VIRTUAL_ENV= $(UV) sync --frozen --quiet --only-group docs
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build --quiet --strict
	@echo "$(CURDIR)/build/site/index.html"

flink: setup  ## Start a Flink cluster on this machine, and print the YAML that uses it
	@$(RUN) -m tests.engines.flink $(ARGS)

clean:  ## Remove the environments and caches, keep the runs
	rm -rf .uv .venv .venv-* .pytest_cache .ruff_cache .mypy_cache .hypothesis .grimp_cache
