# The first two commands: make demo, make test. README.md says more.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
GO          ?= go
# Arguments of bayplan dev: make demo DEV='--dir /tmp/hello --nodes 5'
DEV         ?=
# STATIC=1 builds a binary that needs no C library of the machine it runs on.
STATIC      ?=

# Tests that need an engine look for it with BAYPLAN_TEST_ENGINE, long ones
# skip unless BAYPLAN_E2E is set: the packages that hold some are found by that.
holding = $(shell grep -rl --include='*_test.go' '$(1)' . | xargs -r -n1 dirname | sort -u)
ENGINE_PACKAGES = $(call holding,BAYPLAN_TEST_ENGINE)
E2E_PACKAGES    = $(call holding,BAYPLAN_E2E)
ENGINE := testenv/engine.sh

.PHONY: build demo test check race engine e2e bench generate clean

build:
	$(GO) run ./cmd/bayplan/internal/demo/pack cmd/bayplan/internal/demo/prebuilt
	$(if $(STATIC),CGO_ENABLED=0) $(GO) build -ldflags '-s -w' -o bin/bayplan ./cmd/bayplan

demo: build
	exec $(ENGINE) run bin/bayplan dev $(DEV)

# Everything but the long tests. What cannot be tested here is said in one line.
test: check race engine

check:
	@$(ENGINE) check
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	  if [ -n "$$unformatted" ]; then echo "not formatted; run gofmt -w on: $$unformatted" >&2; exit 1; fi
	$(GO) vet ./...

race:
	BAYPLAN_TEST_ENGINE=none $(GO) test -race ./...

engine:
	$(ENGINE) run $(GO) test -timeout 10m $(ENGINE_PACKAGES)

# The whole binary with real engines, for minutes.
e2e: build
	BAYPLAN_E2E=1 $(ENGINE) run $(GO) test -count=1 -timeout 30m -v -run 'E2E' $(E2E_PACKAGES)

bench: build
	$(ENGINE) run $(GO) test -run '^$$' -bench . -benchtime 1x -timeout 30m ./...

# Leaves no difference where nothing changed.
generate:
	$(GO) generate ./...

clean:
	rm -rf bin dist cmd/bayplan/internal/demo/prebuilt/*.tar.gz
