# Stoker. `make` alone lists the targets. Python 3.11 and make are all a machine needs; the rest is set up here.
PYTHON ?= python3
VENV := .venv
LOCKED := $(VENV)/.locked
READY := $(VENV)/.ready
TOOLS := $(VENV)/.tools
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
  --no-emit-index-url --no-emit-find-links --no-emit-index-annotation

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

$(TOOLS): $(READY) tools.txt
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r tools.txt
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

fuzz: $(TOOLS) ## A million inputs for whatever strangers send, some six minutes; build/fuzz/report.json (docs/fuzzing.md)
	@$(VENV)/bin/python -m tests.fuzz.run

audit: $(TOOLS) ## Ask for known vulnerabilities of what the image contains (needs PyPI's advisory database)
	@mkdir -p build
	@if $(VENV)/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off -r requirements.txt 2> build/audit.log; \
	then cat build/audit.log; \
	else grep '^Found' build/audit.log || { tail -n 1 build/audit.log; \
	  echo "Not audited: pip-audit asks PyPI over the network, which cannot be reached or has no advisories to give."; }; \
	exit 1; fi

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

lock: ## Resolve the dependencies anew: constraints.txt, requirements.txt for the image, tools.txt (needs uv)
	@$(COMPILE) --extra dev pyproject.toml -o constraints.txt
	@$(COMPILE) pyproject.toml -o requirements.txt
	@$(COMPILE) --group tools -c constraints.txt -o tools.txt

clean: ## Remove what the targets wrote here (the cache of built programs stays)
	@rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: help venv demo bench faults test fuzz audit check format manifests lock clean
