# Each target makes .venv when it is missing, and installs what it runs on, at the versions and hashes of requirements/.
# PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet
UV     ?= uv
LOCKS  := $(wildcard requirements/*.txt)

# a test process a core, so one BLAS thread each; files in their order, not those of the fewest tests, often the slowest, last
TESTS  := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

# settings of the caller's that would install somewhere else, or import something else
unexport PIP_TARGET PIP_PREFIX PIP_ROOT PIP_DRY_RUN PIP_REQUIREMENT PIP_EDITABLE PIP_PYTHON PIP_CONSTRAINT PYTHONPATH PYTHONHOME
export PIP_USER := 0
export PIP_REQUIRE_VIRTUALENV := 0

.PHONY: demo test bench bench-page attack check docs peers peer-test lock lock-check minimum clean
.DELETE_ON_ERROR:
.NOTPARALLEL: # every target installs into the same .venv

demo: $(VENV)/.demo
	$(BIN)/refimpl demo

test: $(VENV)/.test
	$(TESTS) -m "not peer and not nfcorpus and not huge"

# damaged files, kills, hostile servers and clients, at length; ARGUMENTS="--only NAME --seed N" repeats a failure
attack: $(VENV)/.test
	$(BIN)/python tests/attack/run.py $(or $(ARGUMENTS),--scale 100)

bench: $(VENV)/.bench
	$(BIN)/python -m pytest --benchmark

# the races of bench/, and their ratios in docs/benchmarks.md; ARGUMENTS="bench/test_fuse.py" runs some of them
bench-page: $(VENV)/.bench
	$(BIN)/python -m pytest --benchmark --benchmark-json=.benchmarks/page.json $(ARGUMENTS)
	$(BIN)/refimpl report .benchmarks/page.json --into docs/benchmarks.md

check: $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "open site/index.html"

peers: $(VENV)/.peers

peer-test: $(VENV)/.peers
	$(TESTS) -m "peer and not huge"

# resolve pyproject.toml anew, keeping versions where it can; UPGRADE=--upgrade takes the newest
lock:
	UV="$(UV)" $(PYTHON) requirements/lock.py $(UPGRADE)

# resolve the written files for each supported Python, from wheels
lock-check:
	UV="$(UV)" $(PYTHON) requirements/lock.py --check

# the tests with the lowest versions that pyproject.toml allows, in $(LOWEST)
LOWEST := .venv-lowest
minimum:
	$(UV) venv --quiet --clear --python 3.11 $(LOWEST)
	$(UV) pip compile --quiet --resolution lowest-direct --python-version 3.11 pyproject.toml --output-file $(LOWEST)/lowest.txt \
	  $(addprefix --extra ,run serve check explain datasets docs bench distributed test)
	$(UV) pip install --quiet --python $(LOWEST)/bin/python -r $(LOWEST)/lowest.txt hatchling editables pip
	$(UV) pip install --quiet --python $(LOWEST)/bin/python --no-deps --no-build-isolation -e .
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -n auto --dist loadfile -m "not peer and not nfcorpus and not huge"

# .installing remains where this was killed half-way, and then .venv is made anew: pip would take half a package for whole
$(VENV)/.made: $(wildcard $(VENV)/.installing)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "refimpl needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@{ [ ! -e $(VENV)/.installing ] && $(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; } || { \
	  rm -rf $(VENV) && mkdir $(VENV) && touch $(VENV)/.installing && $(PYTHON) -m venv $(VENV) && rm $(VENV)/.installing; \
	} || { rm -rf $(VENV); echo "Python cannot make a virtual environment here. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@touch $@

# $(call install,ARGUMENTS): pip install; when pip itself gives up, what was installed before is still whole
install = $(PIP) $(1) || { rm -f $(VENV)/.installing; exit 1; }

# $(call locked,NAME): the packages of requirements/NAME.txt, and this checkout
define locked
	@$(call install,--require-hashes --no-deps -r requirements/$(1).txt)
	@$(call install,--no-deps --no-build-isolation -e .)
	@rm $(VENV)/.installing
	@touch $@
endef

$(VENV)/.%: $(LOCKS) pyproject.toml $(VENV)/.made
	@echo "installing requirements/$*.txt into $(VENV)"
	@touch $(VENV)/.installing
	$(call locked,$*)

# torch first and alone: a plain "torch" elsewhere in the list would fetch gigabytes of CUDA
$(VENV)/.peers: $(LOCKS) pyproject.toml $(VENV)/.made
	@echo "installing torch and requirements/peers.txt into $(VENV)"
	@touch $(VENV)/.installing
	@$(call install,torch==2.13.0)
	$(call locked,peers)

clean:
	rm -rf $(VENV) $(LOWEST) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
