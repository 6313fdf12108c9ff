# `make demo` runs the whole platform on this machine, `make test` proves it. See README.md.
SHELL := /bin/sh
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
DATA ?= ../shared/data
export TSUR_ENVIRONMENTS ?= $(CURDIR)/.tsur/env
PLATFORM := $(TSUR_ENVIRONMENTS)/platform/bin

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
	@$(PLATFORM)/python -m pytest $(ARGS)

lint: ## ruff, sqlfluff, yamllint, mypy
	@$(PYTHON) stack/environments.py development
	$(PLATFORM)/ruff check .
	$(PLATFORM)/ruff format --check .
	$(PLATFORM)/mypy
	$(PLATFORM)/yamllint --strict .
	$(PLATFORM)/sqlfluff lint --processes 2 dbt_project/models dbt_project/tests

stop: ## stop what runs in both homes
	@for home in "$${TSUR_HOME:-$(CURDIR)/.tsur}" "$(CURDIR)/.tsur-real"; do \
	  if [ -e "$$home/home.json" ] && [ -x "$(PLATFORM)/python" ]; then TSUR_HOME="$$home" ./tsur down; fi; done

clean: stop ## stop and delete everything that was built or loaded
	@for home in "$${TSUR_HOME:-$(CURDIR)/.tsur}" "$(CURDIR)/.tsur-real"; do \
	  if [ -e "$$home/home.json" ] && [ -x "$(PLATFORM)/python" ]; then TSUR_HOME="$$home" ./tsur down --remove; fi; \
	  rm -rf "$$home"; done
	@rm -rf "$(TSUR_ENVIRONMENTS)"
