# A thin face over Meson (the one description of the build), pip and tools/. Everything
# made lands in build/ or in the cache (MAREY_CACHE, default ~/.cache/marey).

MAREY_CACHE ?= $(HOME)/.cache/marey
export MAREY_CACHE
tools := $(MAREY_CACHE)/tools/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check format build asan tsan fuzz bench wheel clean

help: ## list the targets
	@awk -F ': .*## ' '/^[a-z]+: .*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

demo: ## build marey, record a small program, look at the recording
	@tools/demo

test: ## everything that CI runs: C, sanitizers, checks, all interpreters, fuzz
	@tools/setup test
	@python=$$(tools/pythons which) && exec "$$python" tools/suite.py

check: ## format, lint, types, tidy rules; seconds
	@tools/setup test
	@python=$$(tools/pythons which) && exec "$$python" tools/suite.py check

format: ## rewrite C and Python sources in the one format
	@tools/setup test
	@git ls-files -z '*.c' '*.h' | xargs -0 -r clang-format -i
	@$(tools)/ruff check --quiet --fix . ; $(tools)/ruff format --quiet .

build: ## build and install marey for the newest interpreter here
	@tools/setup build
	@version=$$(tools/pythons newest) && tools/pythons install "$$version" \
	    && echo "tools/pythons run $$version -- marey --help"

asan: ## the C tests under AddressSanitizer and UBSan
	@tools/setup test
	@python=$$(tools/pythons which) && exec "$$python" tools/suite.py c-asan

tsan: ## the C tests under ThreadSanitizer
	@tools/setup test
	@python=$$(tools/pythons which) && exec "$$python" tools/suite.py c-tsan

fuzz: ## each fuzzer for MAREY_FUZZ_SECONDS (default 20)
	@tools/setup test
	@python=$$(tools/pythons which) && exec "$$python" tools/suite.py fuzz

bench: ## what recording costs, beside an empty hook and other tracers
	@tools/setup test
	@python=$$(tools/pythons which) && exec "$$python" bench/overhead.py --out bench/results.md

wheel: ## a wheel for the newest interpreter here, in dist/
	@tools/setup test
	@$(tools)/python -m build --wheel --outdir dist .

clean: ## remove what was built here; the cache stays
	rm -rf build dist
