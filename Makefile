# Stoker. `make` alone lists the targets. Python 3.11 and make are all a machine needs; the rest is set up here.
PYTHON ?= python3
VENV := .venv
LOCKED := $(VENV)/.locked
READY := $(VENV)/.ready

.DEFAULT_GOAL := help

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(LOCKED): constraints.txt
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Stoker needs Python 3.11 or newer; set PYTHON=python3.11, say")'
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	@touch $@

$(READY): $(LOCKED) pyproject.toml
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

venv: $(READY) ## Install Stoker and its tools into .venv

demo: $(READY) ## Run the main job on a control plane of its own; PODS=FILE for your own pods (first run builds Kubernetes: up to 15 min)
	@$(VENV)/bin/stoker lab demo $(if $(PODS),--pods $(PODS))

bench: $(READY) ## Measure Stoker against its opponents (some twenty minutes); build/bench/report.json and plots
	@$(VENV)/bin/stoker lab bench all

faults: $(READY) ## Break Stoker and the cluster under it, and count what it costs (some twenty minutes); build/faults/report.json
	@$(VENV)/bin/stoker lab faults all

test: $(READY) ## Run every test, those on the real control plane too
	@$(VENV)/bin/stoker lab build
	@$(VENV)/bin/python -m pytest

check: $(READY) ## Format, lint, types and import contracts
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

format: $(READY) ## Format the code and mend what ruff can mend
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

manifests: $(READY) ## Write the generated manifests again (the CRD, from the models)
	@$(VENV)/bin/stoker manifests crd > manifests/base/tenantprofiles.yaml

lock: ## Resolve the dependencies anew into constraints.txt, and into requirements.txt for the image (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --no-emit-index-annotation --extra dev pyproject.toml -o constraints.txt
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --no-emit-index-annotation pyproject.toml -o requirements.txt

clean: ## Remove what the targets wrote here (the cache of built programs stays)
	@rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: help venv demo bench faults test check format manifests lock clean
