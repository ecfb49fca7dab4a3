# Everything that is done by hand in this repository. `make` alone says what there is.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

# How many worlds `make simulate` and `make test` simulate.
SEEDS ?= 10000
# How long `make fuzz` looks for inputs that break the decoder.
SECONDS ?= 60
# How long `make soak` stirs; with SEED=N as it was done once before.
MINUTES ?= 30
SEED ?=

release := .build/release
programs := $(addprefix $(release)/,roost roost-broker roost-worker)
sources := Package.swift worker/engines/install $(shell find Sources broker worker client -name '*.swift' -o -name '*.h')

# Targets with tests that wait for sockets, timers and processes: `.ci/waiting-suites` says which.
# Those of each target have a run of their own, with few at once; all that compute come last.
timed := ZeroMQTests RoostBrokerTests RoostWorkerTests RoostClientTests RoostTestKitTests FleetTests

simulator := .build-simulate/release/roost-simulate
simulated := $(sources) $(shell find Tests/Simulation -name '*.swift')

# What `make bench` serves besides the examples.
encoders := .build-bench/models/minilm/1/model.onnx

.PHONY: help setup engines tensorflow build test faults soak demo bench bench-policies conformance overhead lint tsan asan fuzz \
    simulate clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install the system packages that Roost is built with
	@.ci/setup

engines: setup ## install ONNX Runtime and, where it exists, OpenVINO into .engines
	@worker/engines/install --quiet onnxruntime
	@[ "$$(uname -m)" != x86_64 ] || worker/engines/install --quiet openvino

build: setup $(programs) ## build the three programs for release, in .build/release
	@echo "built: $(programs)"

# One build makes all three; the date is set because a program that did not change is not written.
$(programs) &: $(sources)
	@for program in $(notdir $(programs)); do \
	    echo "building $$program"; \
	    swift build -c release --static-swift-stdlib --product "$$program"; \
	done
	@touch $(programs)

# Only its tests need it: it is large.
tensorflow: setup
	@[ "$$(uname -m)" != x86_64 ] || worker/engines/install --quiet tensorflow

test: setup engines tensorflow $(simulator) ## run all tests
	@swift build --build-tests
	@swift test --skip-build --filter FaultTests
	@for target in $(timed); do \
	    swift test --skip-build --filter "$$(.ci/waiting-suites $$target)" --skip FaultTests \
	        --experimental-maximum-parallelization-width 4; \
	done
	@SEEDS=$(SEEDS) swift test --skip-build --skip FaultTests \
	    --skip "$$(.ci/waiting-suites $(timed))" --experimental-maximum-parallelization-width 4

$(simulator): $(simulated)
	@echo "building roost-simulate"
	@ROOST_SIMULATE=1 ROOST_STRICT=1 swift build -c release --product roost-simulate \
	    --scratch-path .build-simulate
	@touch $@

simulate: setup $(simulator) ## run simulated fleets in virtual time: SEEDS=10000
	@$(simulator) --regressions Tests/Simulation/regressions.txt --seeds $(SEEDS)

faults: setup engines ## run the tests of faults at full length, and print the table
	@swift build -c release -Xswiftc -enable-testing --build-tests --scratch-path .build-faults
	@rm -f .build-faults/table
	@status=0; ROOST_FAULTS=full ROOST_FAULTS_TABLE=.build-faults/table timeout --kill-after=10 4000 \
	    .build-faults/release/roostPackageTests.xctest --testing-library swift-testing \
	    --filter FaultTests > .build-faults/log 2>&1 < /dev/null || status=$$?; \
	grep -E '^(✘|➜)' .build-faults/log || true; \
	sort --numeric-sort --stable .build-faults/table; exit $$status

soak: setup engines ## stir a fleet of processes at random for MINUTES=30
	@swift build -c release --static-swift-stdlib
	@$(release)/roost-soak --minutes $(MINUTES) $(addprefix --seed ,$(SEED))

demo: setup engines $(programs) ## see a fleet classify pictures, and lose a worker
	@examples/demo

$(encoders): Tests/Performance/make_minilm.py
	@python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
	    --upgrade --target .build-bench/python numpy onnx pillow
	@PYTHONPATH=.build-bench/python python3 $< .build-bench

bench: setup engines $(encoders) ## measure what Roost costs
	@swift build -c release --static-swift-stdlib
	@python3 Tests/Performance/bench.py

/usr/share/libonnx-testdata/data:
	@apt-get install -qq --yes --no-install-recommends libonnx-testdata >/dev/null || \
	    { echo "run 'apt-get install libonnx-testdata' as root"; exit 1; }

conformance: setup engines | /usr/share/libonnx-testdata/data ## run ONNX's tests in the engine and through a fleet
	@for program in roost-broker roost-worker roost-conformance; do \
	    swift build -c release --static-swift-stdlib --product $$program; \
	done
	@$(release)/roost-conformance --write docs/engines.md
	@[ ! -e .engines/openvino/VERSION ] || \
	    $(release)/roost-conformance --engine openvino --write docs/engines.md

overhead: setup engines ## measure what the layer over ONNX Runtime costs, and processes of models
	@for program in roost-engine-overhead roost-isolation-bench; do \
	    swift build -c release --static-swift-stdlib --product $$program; \
	done
	@$(release)/roost-engine-overhead
	@$(release)/roost-isolation-bench

bench-policies: setup ## compare the balancing policies: equal, slow and frozen workers, heavy requests
	@swift build -c release --static-swift-stdlib --product roost-policy-bench
	@$(release)/roost-policy-bench

lint: setup ## check the formatting, and that nothing warns
	@swift format lint --strict --parallel --recursive Sources broker worker client examples Tests Package.swift
	@ROOST_STRICT=1 swift build --build-tests --scratch-path .build-strict

tsan: setup ## run the unit tests under ThreadSanitizer
	@.ci/sanitize thread

asan: setup engines ## run the unit tests under AddressSanitizer
	@.ci/sanitize address

fuzz: setup ## feed made-up frames, pictures and models to their readers, each for SECONDS=60
	@for fuzzer in wire-fuzzer image-fuzzer model-fuzzer; do \
	    ROOST_FUZZ=1 swift build -c release --product $$fuzzer --scratch-path .build-fuzz; \
	done
	@python3 Tests/Fixtures/wire_peer.py --corpus .build-fuzz/seeds
	@mkdir -p .build-fuzz/corpus
	@SWIFT_BACKTRACE=enable=no timeout --kill-after=10 $$(($(SECONDS) + 60)) \
	    .build-fuzz/release/wire-fuzzer -max_total_time=$(SECONDS) -max_len=65536 -timeout=10 \
	    -print_final_stats=1 -artifact_prefix=.build-fuzz/ .build-fuzz/corpus .build-fuzz/seeds \
	    < /dev/null
	@python3 Tests/Fixtures/make_preparations.py --corpus .build-fuzz/picture-seeds
	@mkdir -p .build-fuzz/pictures
	@SWIFT_BACKTRACE=enable=no timeout --kill-after=10 $$(($(SECONDS) + 60)) \
	    .build-fuzz/release/image-fuzzer -max_total_time=$(SECONDS) -max_len=65536 -timeout=10 \
	    -print_final_stats=1 -artifact_prefix=.build-fuzz/ .build-fuzz/pictures \
	    .build-fuzz/picture-seeds < /dev/null
	@mkdir -p .build-fuzz/models
	@SWIFT_BACKTRACE=enable=no timeout --kill-after=10 $$(($(SECONDS) + 60)) \
	    .build-fuzz/release/model-fuzzer -max_total_time=$(SECONDS) -max_len=65536 -timeout=10 \
	    -print_final_stats=1 -artifact_prefix=.build-fuzz/ .build-fuzz/models \
	    Tests/ModelFuzz/seeds $(addprefix Tests/Fixtures/,models engine-models tensorflow-models openvino-models) \
	    < /dev/null

clean: ## remove everything that was built; the engines stay
	@rm -rf .build .build-bench .build-faults .build-strict .build-tsan .build-asan .build-fuzz .build-simulate
