# `make demo` and `make test` need Python >= 3.11 and make; everything else they install in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint docs lock clean chaos proofs fuzz bench-eta

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "corridor needs Python 3.11 or newer; say make PYTHON=python3.12, for instance"; exit 1; }
	@echo "Installing into .venv (about a minute, once) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

PIN := uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --upgrade

lock:  ## pins every dependency, for all platforms, with hashes; those of bench/eta apart
	$(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet uv
	$(BIN)/$(PIN) --extra local --extra dev pyproject.toml requirements-build.in -o requirements.lock
	$(BIN)/$(PIN) --extra bench --constraint requirements.lock pyproject.toml -o requirements-bench.lock

demo: .venv/installed  ## real flights through a real stack; ONCE=1 ends by itself
	@$(BIN)/corridor demo $(if $(ONCE),--once)

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/installed  ## writes what is generated in docs/
	$(BIN)/python -m commands.reference

test: .venv/installed lint
	$(BIN)/pytest -m "not slow" -n 2 --dist loadfile

chaos: .venv/installed  ## the whole year while everything is killed, twice; ten minutes
	$(BIN)/pytest -m slow -s tests/chaos

proofs: .venv/installed  ## all other tests that take long; half an hour
	$(BIN)/pytest -m slow -n 2 --dist loadfile tests/integration tests/unit

fuzz: .venv/installed  ## a million spoiled messages through the decoders; some ten minutes
	CORRIDOR_FUZZ_INPUTS=$(or $(INPUTS),46000) $(BIN)/pytest -s -n 0 tests/fuzz

.venv/bench-installed: requirements-bench.lock .venv/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@touch $@

bench-eta: .venv/bench-installed  ## ETAs against peers; writes docs/eta/
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m bench.eta $(ARGS)

clean:
	rm -rf .venv .corridor build *.egg-info
