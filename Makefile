# Sets itself up: .venv is made when it is missing, unfinished or older than pyproject.toml.
# Needs Python 3.11 or newer (PYTHON=... names it), a C++ compiler, make and perl.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.installed
PYTEST := $(BIN)/pytest -q -n 2 --dist worksteal

# $(call need,COMMAND that succeeds when it is there,what to say when it does not)
need = @$(1) >/dev/null 2>&1 || { echo '$(2)' >&2; exit 2; }

.PHONY: demo test quick lint soak logic

demo: $(READY)
	$(BIN)/puffadder run bundled tiny --tokens 32 --out build/demo --prompt \
	    "The with statement is used to wrap the execution of a block with methods defined by a "

test: lint
	$(PYTEST)

quick: lint
	$(PYTEST) -m "not verilog and not slow"

# Long measurements, outside of the tests; what they printed last is in reports/soak.md.
soak: $(READY)
	$(BIN)/pytest -q -s soak

# Synthesizes the samples that are missing in hwsim/logic, and fits the model of LUTs to all of them.
logic: $(READY)
	$(BIN)/python -m reports.logic_fit

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy -p models -p hwsim -p codegen -p reports -m puffadder

$(READY): pyproject.toml
	$(call need,command -v $(PYTHON),$(PYTHON) must be installed; run `apt-get install python3 python3-venv`)
	$(call need,$(PYTHON) -c "import sys; assert sys.hexversion >= 0x030B0000",$(PYTHON) must be Python 3.11 or newer; install one and name it: `make PYTHON=python3.11 $(MAKECMDGOALS)`)
	$(call need,$(PYTHON) -c "import ensurepip; import venv",$(PYTHON) must be able to make virtual environments; run `apt-get install python3-venv`)
	$(call need,command -v c++,a C++ compiler must be installed; run `apt-get install g++`)
	$(call need,command -v perl,perl must be installed; run `apt-get install perl`)
	@test -e $(READY) || rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[test]"
	@touch $(READY)
