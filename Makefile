# Everything a newcomer types. `make demo` and `make test` need nothing but Python 3.10-3.13 and a network for pip.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin

SPREAD := --numprocesses auto --dist loadfile  # the tests of a file stay together, as the cells of a lesson have to

.PHONY: demo dev lint reproducible test trust trust-long lab wheel bench browser site toybox8 clean
demo: $(VENV)/.installed-demo
	$(BIN)/seglab demo

# Everything to work on seglab
dev: $(VENV)/.installed-test
	$(BIN)/python -m pip install -q pre-commit
	$(BIN)/pre-commit install

# What needs no test to run: style, formatting, types, spelling
lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy seglab
	$(BIN)/codespell

# A process for each core, and a thread for each process: small networks gain little by more
test: export OMP_NUM_THREADS := 1
test: lint $(VENV)/.browser
	$(BIN)/python -m pytest -q $(SPREAD) tests --ignore=tests/parity --ignore=tests/browser
	$(BIN)/python -m pytest -q tests/browser  # alone, since a browser is not to wait for other tests
	$(BIN)/python -m pytest -q tests/parity
	$(BIN)/python -m pytest -q $(SPREAD) --nbval notebooks --ignore=notebooks/solutions  # tests/course runs the solutions

# Fuzzing, failing disks, kills and load: about thirty-five minutes on two cores; docs/reliability.md gets the figures.
# It needs Linux and a C compiler. trust-long takes hours: .github/workflows/trust.yml runs it every night.
trust: $(VENV)/.installed-trust
	$(BIN)/python -m trust

trust-long: $(VENV)/.installed-trust
	$(BIN)/python -m trust --long

bench: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks

# In copies of the lessons: a notebook that is only opened is written anew by JupyterLab, with its kernel's details
lab: $(VENV)/.installed-lab
	$(BIN)/seglab course out=course

# seglab with its data and course weights in one file, to upload beside a lesson where it cannot be cloned, as on Colab
wheel: $(VENV)/.installed-demo
	$(BIN)/python -m pip wheel -q --no-deps -w dist .
	@ls dist/*.whl

# The source archive and the wheel twice, which must be the same bytes; the wheel works in an environment of its own
reproducible:
	rm -rf build/reproducible
	$(PYTHON) -m venv build/reproducible/tools
	build/reproducible/tools/bin/python -m pip install -q build
	for each in one two; do SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) build/reproducible/tools/bin/python -m build -q \
		-o build/reproducible/$$each . || exit 1; done
	cd build/reproducible/one && sha256sum * | tee ../sums && cd ../two && sha256sum -c ../sums
	$(PYTHON) -m venv build/reproducible/clean
	build/reproducible/clean/bin/python -m pip install -q build/reproducible/one/*.whl
	cd build/reproducible && clean/bin/seglab predict model=toybox-n source=toybox8-seg imgsz=320 project=runs

# Course, API reference and decisions as pages that read offline; the browser demo among them where npm can fetch its runtime
site: $(VENV)/.installed-test
	-$(MAKE) browser
	$(BIN)/python docs/build_site.py site

# The page that runs the exported network in a browser, whole in one folder; to see it: python -m http.server -d site/browser
BROWSER ?= site/browser
ORT_WEB := onnxruntime-web-1.30.0
browser: $(VENV)/.installed-demo build/$(ORT_WEB).tgz
	mkdir -p $(BROWSER)
	tar -xzf build/$(ORT_WEB).tgz -C $(BROWSER) --strip-components=2 package/dist/ort.wasm.bundle.min.mjs \
		package/dist/ort-wasm-simd-threaded.wasm
	cp docs/browser/* $(BROWSER)
	cp data/toybox8-seg/images/val/000016.jpg $(BROWSER)/example.jpg
	$(BIN)/python -m seglab.cli export model=toybox-n format=onnx nms=True masks=True max_det=100 out=$(BROWSER)/toybox-n

build/$(ORT_WEB).tgz:
	mkdir -p build
	npm pack --silent --fetch-retries=1 --pack-destination build $(subst web-,web@,$(ORT_WEB))

# torch and torchvision are chosen by the installer in one step, so that they come from one build
$(VENV)/.installed-demo: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -e ".[export]"
	touch $@

$(VENV)/.installed-lab: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -e ".[export,course]"
	touch $@ $(VENV)/.installed-demo

$(VENV)/.installed-test: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -e ".[export,course,test,parity]"
	touch $@ $(VENV)/.installed-demo $(VENV)/.installed-lab

$(VENV)/.installed-trust: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -e ".[trust]"
	touch $@ $(VENV)/.installed-demo

# A Chromium for tests/browser where there is none: the system's, or else Playwright's own; failing both, those tests say
# why they skip, and the next run tries again
$(VENV)/.browser: $(VENV)/.installed-test
	{ command -v chromium || command -v google-chrome || { apt-get update -qq && apt-get install -y -qq chromium; } \
		|| $(BIN)/python -m playwright install chromium; } && touch $@ || true

# The eight embedded scenes once more: byte for byte the same, unless their generator has changed
toybox8: $(VENV)/.installed-demo
	rm -rf data/toybox8-seg
	$(BIN)/python -c "from seglab.toybox.dataset import write_embedded as write; write('data/toybox8-seg')"

clean:
	rm -rf $(VENV) runs build dist *.egg-info
