# Everything a newcomer types. `make demo` and `make test` need nothing but Python 3.10-3.13 and a network for pip.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin

.PHONY: demo test lab bench clean
demo: $(VENV)/.installed-demo
	$(BIN)/seglab demo

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -q tests --ignore=tests/parity
	$(BIN)/python -m pytest -q tests/parity
	$(BIN)/python -m pytest -q --nbval notebooks

bench: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.speed

lab: $(VENV)/.installed-test
	$(BIN)/jupyter lab notebooks/01_masks.ipynb

# torch and torchvision are chosen by the installer in one step, so that they come from one build
$(VENV)/.installed-demo: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -e ".[export]"
	touch $@

$(VENV)/.installed-test: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -e ".[export,course,test,parity]"
	touch $@ $(VENV)/.installed-demo

clean:
	rm -rf $(VENV) runs build dist *.egg-info
