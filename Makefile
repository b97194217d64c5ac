# The front door. On a fresh machine `make demo` and `make test` are the only two commands needed:
# each brings what is missing, builds, and goes. Everything lands in build/ and .cache/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

TEST_JOBS ?= 2
SECONDS ?=
BENCH ?=
SOAK ?=
CHANGED ?=
TEE ?= snp
# Where the set-up puts engine and models; absolute, since tests run in folders of their own.
ENSCONCE_CACHE := $(abspath $(or $(ENSCONCE_CACHE),.cache))
ENSCONCE_MODELS ?= $(ENSCONCE_CACHE)/models
export ENSCONCE_CACHE ENSCONCE_MODELS
CTEST := ctest --output-on-failure --no-tests=error -j $(TEST_JOBS)

.PHONY: help demo test test-asan test-tsan package test-package bench fuzz soak format lint clean

help:
	@printf '%s\n' \
	  'make demo              the whole story on this machine: seal, attest, ask, attacks refused;' \
  '                       TEE=snp|tdx|sgx|azure says whose processor is simulated (snp)' \
	  'make test              every test; what cannot run here is listed as skipped' \
	  'make test-asan         the same under AddressSanitizer and UndefinedBehaviorSanitizer' \
	  'make test-tsan         the same under ThreadSanitizer' \
	  'make package           Debian packages and the worker as an OCI image, in build/package' \
	  'make test-package      the same, installed, upgraded, removed and started in folders of their own' \
	  'make bench             every measurement; BENCH=name for one; results in build/bench' \
	  'make fuzz SECONDS=60   every fuzz target for that long, with clang, and the lines they reach;' \
  '                       TARGET=name for one' \
	  'make soak SECONDS=600  kills, overload and fuzzing, each for that long (fuzzing: each target);' \
	  '                       SOAK=name for one; results in build/soak' \
	  'make format            clang-format on every source' \
	  'make lint              clang-format and clang-tidy; CHANGED=1 for what differs from the last commit' \
	  'make clean             delete build/; .cache (packages, engine, weights) stays'

demo:
	@setup/setup.sh build
	@setup/build.sh dev
	@demo/run --platform $(TEE)

test:
	@setup/setup.sh build
	@setup/build.sh dev
	@$(CTEST) --test-dir build/dev -LE '^package$$' </dev/null

test-asan:
	@setup/setup.sh build
	@setup/build.sh asan-ubsan
	@$(CTEST) --test-dir build/asan-ubsan </dev/null

test-tsan:
	@setup/setup.sh build
	@setup/build.sh tsan
	@$(CTEST) --test-dir build/tsan </dev/null

# What ships has no developer's part; the simulator, which is nothing else, is of another build.
package:
	@setup/setup.sh build
	@setup/build.sh release ensconce ensconce-worker ensconce-broker
	@setup/build.sh bench ensconce-sim
	@packaging/build

test-package: package
	@setup/setup.sh packaging
	@setup/build.sh dev ensconce-worker ensconce-broker
	@$(CTEST) --test-dir build/dev -L '^package$$' </dev/null

bench:
	@setup/setup.sh build
	@programs=$$(bench/run --programs $(BENCH)) && setup/build.sh bench $$programs
	@bench/run $(BENCH)

fuzz:
	@setup/setup.sh tools
	@setup/build.sh fuzz $(or $(TARGET:%=fuzz_%),fuzzers)
	@setup/build.sh coverage $(or $(TARGET:%=fuzz_%),fuzzers)
	@fuzz/run --seconds $(or $(SECONDS),60) --coverage $(TARGET)

soak:
	@setup/setup.sh build
	@programs=$$(soak/run --programs $(SOAK)) && { [[ -z $$programs ]] || setup/build.sh dev $$programs; }
	@$(if $(filter fuzz,$(or $(SOAK),fuzz)),setup/setup.sh tools && setup/build.sh fuzz fuzzers)
	@soak/run --seconds $(or $(SECONDS),600) $(SOAK)

format:
	@setup/setup.sh tools
	@git ls-files -z '*.h' '*.cc' | xargs -0 clang-format -i

lint:
	@setup/setup.sh tools
	@setup/build.sh dev
	@setup/lint.sh $(if $(CHANGED),changed,all)

clean:
	@rm -rf build
