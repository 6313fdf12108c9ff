# `make demo` runs the whole platform on this machine, `make test` proves it. See README.md.
SHELL := /bin/sh
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
DATA ?= ../shared/data
export TSUR_ENVIRONMENTS ?= $(CURDIR)/.tsur/env
PLATFORM := $(TSUR_ENVIRONMENTS)/platform/bin

# For each home that exists (it has a home.json): the command that follows, up to `done`.
EACH_HOME = if [ -n "$$TSUR_HOME" ]; then set -- "$$TSUR_HOME"; \
	  else set -- "$(CURDIR)/.tsur" "$(CURDIR)/.tsur-real"; fi; \
	for home in "$$@"; do [ -e "$$home/home.json" ] || continue; \
	  TSUR_HOME="$$home" PYTHONPATH="$(CURDIR)"

.PHONY: help demo demo-real test lint env stop clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed 's/:.*##/ -/'

env: ## build both Python environments from the locks
	@$(PYTHON) stack/environments.py platform superset

demo: env ## the whole line on sandbox sources: five regions, DAGs, dashboard
	@./tsur demo

demo-real: env ## the same line on real files: make demo-real DATA=folder
	@TSUR_HOME="$${TSUR_HOME:-$(CURDIR)/.tsur-real}" ./tsur demo-real --data "$(DATA)"

test: env ## every test; browser tests skip without chromium
	@$(PYTHON) stack/environments.py development
	@$(PLATFORM)/python -m pytest --numprocesses 2 --dist loadscope --no-loadscope-reorder $(ARGS)

lint: ## ruff, sqlfluff, yamllint, mypy
	@$(PYTHON) stack/environments.py development
	$(PLATFORM)/ruff check .
	$(PLATFORM)/ruff format --check .
	$(PLATFORM)/mypy
	$(PLATFORM)/yamllint --strict .
	$(PLATFORM)/sqlfluff lint --processes 2 dbt_project/models dbt_project/tests

stop: ## stop what runs: in TSUR_HOME, or in both homes of this folder
	@$(EACH_HOME) "$(PLATFORM)/python" -m stack down; done

clean: ## stop and delete what was built and loaded; a folder that is no home is left alone
	@$(EACH_HOME) "$(PLATFORM)/python" -m stack down --remove && \
	  find "$$home" -mindepth 1 -maxdepth 1 ! -name env -exec rm -rf {} +; \
	  rmdir "$$home" 2>/dev/null || true; done
	@if [ "$(TSUR_ENVIRONMENTS)" = "$(CURDIR)/.tsur/env" ] && [ -e .tsur/env/building ]; then \
	  rm -rf .tsur/env; rmdir .tsur 2>/dev/null || true; fi
