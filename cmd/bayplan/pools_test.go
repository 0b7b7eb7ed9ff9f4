package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/server"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/wire"
	"github.com/bayplan/bayplan/testenv/fake"
)

// join runs a node of 4 cores and 8 GiB whose engine is in memory, joined over the
// real protocol.
func (s *site) join(name, line string, attributes map[string]string) {
	s.t.Helper()
	info, err := wire.ParseJoin(line)
	if err != nil {
		s.t.Fatal(err)
	}
	dir, log := s.t.TempDir(), slog.New(slog.DiscardHandler)
	if err := wire.Join(s.t.Context(), info, dir, name); err != nil {
		s.t.Fatal(err)
	}
	creds, err := wire.LoadCredentials(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	engine := fake.New()
	engine.Image("*")
	a, err := agent.New(agent.Config{Runtime: engine.Runtime(creds.Cluster, name), Dir: dir, Node: name, Address: "127.0.0.1",
		Attributes: attributes, PortMin: 20000, PortMax: 20099, Log: log})
	if err != nil {
		s.t.Fatal(err)
	}
	client, err := wire.Dial(wire.ClientConfig{Dir: dir, Log: log})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, client) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			s.t.Error(err)
		}
	})
}

// shows waits until the status has all the texts.
func (s *site) shows(texts ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	out := &seeks{texts: texts, found: cancel}
	if code, talk := s.run(ctx, out, "status", "-w", "-o", "json"); code != exit.Fine || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		s.t.Fatalf("%q is not shown: code %d: %s%s", texts, code, out, talk)
	}
}

// tells runs a verb, whose output must match all patterns.
func (s *site) tells(args string, patterns ...string) {
	s.t.Helper()
	_, out, talk := s.bayplan(strings.Fields(args)...)
	for _, p := range patterns {
		if !regexp.MustCompile("(?m)" + p).MatchString(out) {
			s.t.Errorf("bayplan %s: no %q in\n%s%s", args, p, out, talk)
		}
	}
}

func pooled(kind, pool, more string) string {
	return fmt.Sprintf("{kind: service, image: \"r.example/x@sha256:%s\", pool: %s, %s%s}\n", strings.Repeat("1", 64), pool, more, kind)
}

// A pool tree on a real server with two nodes: what pools are promised, use and
// have lent; who has to go for whom; what refuses a slot, and by how much.
func TestServer_TellsOfPools(t *testing.T) {
	s := newSiteWith(t, func(_ *site, cfg *server.Config) { cfg.JoinTokens = 2 })
	for i, line := range s.ready.Join {
		s.join(fmt.Sprint("n", i+1), line, map[string]string{"zone": string(rune('a' + i))})
	}
	s.write("cluster.cue", `cluster: pools: {
	default: {}
	prod: {parent: "default", weight: 3, guarantee: {cpu: 3}, lend: true}
	test: {parent: "default", limit: cpu: 7}
}
`)
	s.commit("shop/web.yaml", "workloads:\n  crunch: "+pooled("", "test", "replicas: 6, revocable: true, update: {maxUnavailable: 4}, resources: {cpu: \"1\", memory: 64Mi}"))
	s.shows(`"running":6`)
	s.tells("pool ls", `^POOL +NODES +WEIGHT +GUARANTEE +LIMIT +SHARE +CPU +MEMORY +LENT +LARGEST SLOT`,
		`^default +2 +1 +- +- `, `^  prod +0 +3 +3 cpu +- +0\.0% .* 1400m cpu +\S`, `^  test +0 +1 +- +7 cpu +\d\d\.\d% +[67]/`)
	s.tells("pool top", `^test +\d\d\.\d% +[67] `, `^prod +0\.0% +0 +3 cpu`)

	s.git("checkout", "-q", "-B", "side")
	s.commit("pay/api.yaml", "workloads:\n  api: "+pooled("", "prod", "replicas: 1, resources: {cpu: \"2\", memory: 64Mi}")+
		"  huge: "+pooled("", "prod", "replicas: 1, resources: {cpu: \"3\", memory: 64Gi}")+
		"  far: "+pooled("", "prod", "replicas: 1, constraints: [{attribute: zone, value: c}], resources: {cpu: 10m, memory: 8Mi}")+
		"  port: "+pooled("", "prod", "replicas: 3, ports: {http: {container: 80, host: 8080}}, resources: {cpu: 10m, memory: 8Mi}"))
	s.tells("plan "+s.repo, `^! shop/crunch\.\d ends on n1 for pay/api\.0: revocable$`, `^    = shop/crunch\.\d on n2$`,
		`^! pay/far\.0 finds no place: .*; no node ever could: no node has zone = c, only a, b$`,
		`^! pay/huge\.0 .*needs 3 cpu; n1 has \d+m free of .*; no node ever could: it needs 64Gi memory, and the largest node has `,
		`^! pay/port\.2 .*wants host port 8080; on n1 pay/port\.[01] holds it`, `^pool prod +- .*2020m cpu`, `^pool test +6 cpu, .* 4 cpu, .* 7 cpu$`)
	s.git("checkout", "-q", "main")
	s.git("merge", "-q", "--ff-only", "side")
	s.shows(`"slot":"pay/api.0"`, "pay/huge.0", "pay/port.2")
	s.tells("explain pay/api.0", `^pay/api\.0 is .* on n1`, `^  n1 can take it: score -?\d+ \(fit \d+, spread -?\d+\)$`)
	s.tells("explain pay/port.2", `cannot take it: port: wants host port 8080; on n[12] pay/port\.[01] holds it`)
	s.tells("explain pay/far.0 -o json", `"filter": *"constraint"`, `"node": *"n2"`)
	s.tells("status", `no node ever could: it needs 64Gi memory`)
}

// TestPoolsOf_WhatIsWrong: the document of pools has what is wrong with them, and with
// nothing else.
func TestPoolsOf_WhatIsWrong(t *testing.T) {
	got, err := poolsOf([]byte(`{"schema":"bayplan/v1","pools":[],"problems":[{"code":"node-unreachable","text":"n1"},{"code":"pool-promises","text":"more than there is"}]}`))
	if err != nil || strings.Contains(string(got), "n1") || !strings.Contains(string(got), "more than there is") {
		t.Errorf("%s, %v", got, err)
	}
}
