# The first two commands: make demo, make test. README.md says more.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
GO          ?= go
# Arguments of bayplan dev: make demo DEV='--dir /tmp/hello --nodes 5'
DEV         ?=

# Long tests skip unless BAYPLAN_E2E is set; the packages that hold some are
# found by that.
E2E_PACKAGES = $(shell grep -rl --include='*_test.go' BAYPLAN_E2E . | xargs -r -n1 dirname | sort -u)
ENGINE := testenv/engine.sh

# Which simulated clusters make sim plays.
SEEDS       ?= 1:+1000

.PHONY: build demo test check sim mutants e2e bench bench-peers generate clean

# One static file: what needs a C compiler is in the monitor, which it carries.
build:
	$(GO) run ./cmd/bayplan/internal/demo/pack cmd/bayplan/internal/demo/prebuilt
	$(GO) run ./cmd/bayplan/internal/monitor/pack cmd/bayplan/internal/monitor/prebuilt
	CGO_ENABLED=0 $(GO) build -ldflags '-s -w' -o bin/bayplan ./cmd/bayplan

demo: build
	exec bin/bayplan dev $(DEV)

# Everything but the long tests (make e2e), with the race detector and an engine,
# and without it what bounds memory, since the detector's own has no limit; at the end a
# minute of simulated clusters. The first line says what cannot be tested here and why.
test: check
	$(ENGINE) run $(GO) test -race -timeout 20m ./...
	$(GO) test -count=1 -timeout 5m -run Bombs ./reconciler/evaluate
	$(SIM) -cpu 60s -seeds 1:+100000

# Whole clusters, played from seeds: testenv/sim/README.md. Every history that once
# went wrong is among them.
SIM = $(GO) run ./testenv/sim/play -commit $$(git rev-parse --short HEAD)
sim:
	$(SIM) -seeds $(SEEDS)

# Planted bugs that the simulator must find, each within 600 seeds: half an hour.
mutants:
	$(GO) test -tags mutants -count=1 -timeout 3h -run Mutants ./testenv/sim/mutants

check:
	@$(ENGINE) check
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	  if [ -n "$$unformatted" ]; then echo "not formatted; run gofmt -w on: $$unformatted" >&2; exit 1; fi
	$(GO) vet ./...

# The whole binary with real engines, and the built-in runtime in a virtual
# machine with Debian's kernel: for minutes, one package after the other.
e2e: build
	@$(ENGINE) have postgresql etcd-server
	BAYPLAN_E2E=1 $(ENGINE) run $(GO) test -count=1 -p 1 -timeout 30m -v -run 'E2E' $(E2E_PACKAGES)

# A real Gitea for make e2e, without its web pages: some ten minutes, and a C
# compiler for its SQLite.
GITEA := code.gitea.io/gitea@v1.26.0
gitea:
	$(GO) mod download $(GITEA)
	rm -rf bin/gitea && mkdir -p bin/gitea
	cp -r --no-preserve=mode $$($(GO) env GOMODCACHE)/$(GITEA) bin/gitea/source
	cd bin/gitea/source && $(GO) build -mod=mod -tags sqlite,sqlite_unlock_notify -o ../gitea .
	mv bin/gitea/source/{templates,options,public} bin/gitea && rm -rf bin/gitea/source

# Tables of what was promised and what was found, after some ten minutes. The
# packages have benchmarks of their own: go test -bench . ./reconciler/ledger
bench: build
	@$(ENGINE) have runc conmon
	$(ENGINE) run $(GO) test -count=1 -run '^$$' -bench . -benchtime 1x -timeout 20m ./testenv/bench
	$(GO) test -count=1 -run '^$$' -bench Place -benchtime 3x ./scheduler
	GOBIN=$(CURDIR)/bin $(GO) install cuelang.org/go/cmd/cue@$$($(GO) list -m -f '{{.Version}}' cuelang.org/go)
	$(GO) test -count=1 -run '^$$' -bench . -benchtime 1x -timeout 20m ./testenv/bench/evaluation

# The scheduler beside swarmkit's, over the same nodes and tasks, and Nomad's and
# Kubernetes' over such, after some five minutes. Modules of their own, so that the
# product links none of it.
bench-peers:
	cd testenv/peers && $(GO) run .
	cd testenv/peers/nomad && GOWORK=off $(GO) run . 2>/dev/null
	cd testenv/peers/kube && $(GO) run .

# Leaves no difference where nothing changed.
generate:
	$(GO) generate ./...

clean:
	rm -rf bin dist cmd/bayplan/internal/demo/prebuilt/*.tar.gz cmd/bayplan/internal/monitor/prebuilt/*.gz
