# Every target sets up what it needs: a fresh machine wants only Python 3.11 or later, make and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
READY := $(VENV)/.ready
PIP_AUDIT := 2.10.1
ABOVE_STORAGE := tests/engine tests/connections
# Where this is set, every process would compile its modules again, and each process of pytest the tests besides.
unexport PYTHONDONTWRITEBYTECODE
PROMTOOL := $(or $(shell command -v promtool 2>/dev/null),$(VENV)/promtool)
PROMETHEUS := $(or $(shell command -v prometheus 2>/dev/null),$(VENV)/prometheus)

.PHONY: demo test conformance simulate interleavings crash power check bench lock format clean

demo: $(RUNTIME)
	$(BIN)/ignite-sync demo --platform $(or $(PLATFORM),bigcommerce) $(ARGS)

# Units, conformance, one walk through the real process per kind, and a smoke test of each machine.
# Four at once even on two processors: most tests of the real process wait.
test: $(READY)
	$(BIN)/pytest $(or $(ARGS),-n 4 --dist worksteal --ignore tests/prove)

# The tests of the engine and the connections on PostgreSQL too, but for the sixth of them that `make test` runs there.
.PHONY: engines
engines: $(READY)
	REST_ON_POSTGRES=1 $(BIN)/pytest -n 4 --dist worksteal $(ABOVE_STORAGE)

# Longer stories of the real process, the benchmarks in small, and the machines that try to break the daemon, each in its
# short form, the longest first; for the long forms see below. Then half of `make engines`.
# Then the page in a browser, in one process: there is one browser and one site for all of its tests.
.PHONY: prove
prove: $(READY) $(PROMETHEUS)
	PROMETHEUS=$(PROMETHEUS) $(if $(ARGS),,REST_ON_POSTGRES=2) $(BIN)/pytest $(or $(ARGS),-n 4 --dist worksteal $(addprefix tests/prove/,process simulation cluster crash power benchmarks interleavings throttle histories) $(ABOVE_STORAGE))
	$(if $(ARGS),,$(BIN)/pytest tests/prove/browser)

# Takes the pictures of the operators' page in docs/images again.
.PHONY: screenshots
screenshots: $(READY)
	SCREENSHOTS=1 $(BIN)/pytest tests/prove/browser/test_screenshots.py

conformance: $(READY)
	$(BIN)/pytest tests/conformance $(ARGS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory alerts

# Every rule of config/alerts.yml, firing and not firing, in Prometheus' own words.
.PHONY: alerts
alerts: $(PROMTOOL)
	$(PROMTOOL) test rules tests/config/alerts.test.yml

# PyPI has no Prometheus. Debian's package is unpacked, not installed, so that takes no rights; elsewhere install it.
$(VENV)/promtool $(VENV)/prometheus: | $(VENV)/prometheus.deb
	dpkg --fsys-tarfile $(VENV)/prometheus.deb | tar -x -C $(VENV) --strip-components=3 ./usr/bin/$(@F)

$(VENV)/prometheus.deb: | $(READY)
	@command -v apt-get >/dev/null || { echo "this needs Prometheus: install it first" >&2; exit 1; }
	cd $(VENV) && rm -f prometheus_*.deb && { apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; }
	mv $(VENV)/prometheus_*.deb $@

# The daemon in memory against everything that can go wrong: SEEDS=500 tries the first 500, SEED=17 that one alone.
# PLATFORM=woocommerce does it with the store of another platform; so do the crash loop and the power cuts. NODES=3 has
# several nodes on one database.
simulate: $(READY)
	$(BIN)/python -m tests.prove.simulation --seeds $(or $(SEEDS),200) $(if $(SEED),--seed $(SEED)) $(if $(NODES),--nodes $(NODES)) $(if $(PLATFORM),--platform $(PLATFORM)) $(ARGS)

# Every operation of both APIs answers oddly, at each moment of a shop's life; ARGS="--share 0.1" tries a tenth.
.PHONY: walk
walk: $(READY)
	$(if $(ARGS),,PYTHONHASHSEED=0 $(BIN)/python -m tests.prove.simulation.walk)
	PYTHONHASHSEED=0 $(BIN)/python -m tests.prove.simulation.walk --moments $(ARGS)

# Two transactions on PostgreSQL, every pair of operations in every order of their statements; ARGS="--short" is quicker.
interleavings: $(READY)
	$(BIN)/python -m tests.prove.interleavings $(ARGS)

# The daemon killed again and again, at every named point and at random moments; SEED=N repeats a run.
crash: $(READY)
	$(BIN)/python -m tests.prove.crash --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED)) $(if $(PLATFORM),--platform $(PLATFORM))

# Two nodes on one PostgreSQL server: TRIALS=20 takeovers of each kind, then MINUTES=5 of many connections and killed nodes,
# with RATE=200 webhooks a second.
.PHONY: cluster
cluster: $(READY)
	$(BIN)/python -m tests.prove.cluster --trials $(or $(TRIALS),20) --minutes $(or $(MINUTES),5) $(if $(RATE),--rate $(RATE)) $(if $(SEED),--seed $(SEED))

# The power lost at IMAGES=5000 moments of a recorded history, and CUTS=60 times while the daemon lives.
power: $(READY)
	$(BIN)/python -m tests.prove.power --images $(or $(IMAGES),3000) --cuts $(or $(CUTS),6) $(if $(SEED),--seed $(SEED)) $(if $(PLATFORM),--platform $(PLATFORM))

# The unit of config/ on a systemd of its own, in namespaces: takes root, and /usr/bin/python3 of this version.
.PHONY: systemd
systemd: $(READY)
	$(BIN)/python -m tests.prove.systemd

# With PLATFORM=woocommerce, the stores are WooCommerce's.
bench: $(READY)
	$(BIN)/python -m benchmarks $(if $(PLATFORM),--platform $(PLATFORM))

# Steady edits over several connections for MINUTES=30, of stores of PLATFORM=woocommerce or of BigCommerce's. Fails when memory, files, threads or the database have grown.
.PHONY: soak
soak: $(READY)
	$(BIN)/python -m benchmarks.soak $(or $(MINUTES),30) $(PLATFORM)

format: $(READY)
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

# The two lock files: what runs (a dyno installs it), and what development adds.
lock: $(READY)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --extra postgres pyproject.toml -o requirements.txt $(ARGS)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --extra postgres --group dev pyproject.toml -c requirements.txt -o requirements-dev.txt $(ARGS)

# Compares both lock files with the advisories of PyPI, which takes a network: so it is no part of what every change must
# pass. The auditor runs in an environment of its own. What it cannot look up fails the audit too.
.PHONY: audit
audit: $(READY)
	$(BIN)/uv tool run --python $(BIN)/python --from pip-audit==$(PIP_AUDIT) pip-audit --strict --require-hashes --disable-pip \
		-r requirements.txt -r requirements-dev.txt $(ARGS)

# What runs, without what develops: `make demo` needs no more.
$(RUNTIME): pyproject.toml requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Ignite Sync needs Python 3.11 or later; run: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(READY): $(RUNTIME) requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
