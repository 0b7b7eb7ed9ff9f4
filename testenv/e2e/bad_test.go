package e2e

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// Each kind of bad workload ends its commit with a reason that someone can act
// on, and touches nothing else.
func TestE2E_BadWorkloads(t *testing.T) { onEach(t, badWorkloads) }

func badWorkloads(t *testing.T, on world) {
	s := buildOn(t, on)
	s.up(1)
	s.put("shop/web", sleeper+"\treplicas: 2\n")
	s.put("shop/victim", sleeper)
	s.wantOutcome(s.commit("what runs well"), reconciler.Applied)
	web := s.of("shop/web")
	for _, bad := range []struct {
		name string
		test func(*site)
	}{
		{"image that does not exist", imageMissing},
		{"registry that is down", registryDown},
		{"registry that asks for a password", registryLocked},
		{"instance that exits at once", exitsAtOnce},
		{"new workload that exits at once", exitsFromTheStart},
		{"command that does not exist", commandMissing},
		{"health check that never passes", neverHealthy},
		{"container killed for memory", killedForMemory},
		{"fixed port for two slots of a node", fixedPortTwice},
		{"port that something else holds", portHeld},
		{"slot that fits nowhere", fitsNowhere},
	} {
		t.Run(bad.name, func(t *testing.T) {
			sub := s.in(t)
			bad.test(sub)
			wantSame(t, "shop/web beside it", web, sub.of("shop/web"))
			sub.clear()
		})
	}
}

// clear takes the bad workload back: victim is what it was, and bad is none.
func (s *site) clear() {
	s.t.Helper()
	s.put("shop/victim", sleeper)
	commit := s.push("rm -f shop/bad.cue")
	if got := s.await(commit); got != reconciler.Applied && got != reconciler.NoEffect {
		s.t.Fatalf("cleared: %s\n%s", got, s.shell("bayplan status -o wide"))
	}
	s.eventually("end of the bad one", func() bool { return len(s.containers()) == 3 })
	s.eventually("end of all problems", func() bool { return len(s.status().Problems) == 0 })
}

// wantProblem wants status to show a problem of this code whose text and next
// step have these parts.
func (s *site) wantProblem(code string, text []string, next string) {
	s.t.Helper()
	var last []status.Problem
	fits := func(p status.Problem) bool {
		for _, part := range text {
			if !strings.Contains(p.Text+" "+p.Subject, part) {
				return false
			}
		}
		return p.Code == code && strings.Contains(p.Next, next)
	}
	if !within(s.t, awhile, func() bool {
		last = s.status().Problems
		for _, p := range last {
			if fits(p) {
				return true
			}
		}
		return false
	}) {
		s.t.Errorf("no problem %s with %q and next %q among %+v", code, text, next, last)
		return
	}
	shown := s.shell("bayplan status")
	wantText(s.t, "status", shown, append(text, code, next)...)
}

// wantReason wants the commit to end so, and to say why in its reason, in the
// events and on the terminal of who waits.
func (s *site) wantReason(commit string, outcome reconciler.Outcome, parts ...string) {
	s.t.Helper()
	r := s.wantOutcome(commit, outcome)
	wantText(s.t, "the commit's reason", r.Reason, parts...)
	said, code := s.try("bayplan status --wait --revision " + commit + " 2>&1")
	if code != 1 {
		s.t.Errorf("status --wait: exit code %d, want 1", code)
	}
	wantText(s.t, "status --wait", said, append(parts, string(outcome))...)
	wantText(s.t, "events", s.shell("bayplan events"), parts...)
}

// fast fails soon where there is nothing to wait for.
func fast(fields string) string {
	return strings.ReplaceAll(fields, "PROGRESS", "3s")
}

func imageMissing(s *site) {
	victim := s.of("shop/victim")
	missing := s.registry.Addr() + "/test/program:none"
	s.put("shop/victim", strings.ReplaceAll(fast(sleeper), "IMAGE", missing))
	s.put("shop/bad", sleeper)
	commit := s.commit("an image that does not exist")
	s.wantProblem("image-not-found", []string{missing, "does not exist"}, "push")
	s.wantReason(commit, reconciler.Failed, missing, "does not exist")
	wantSame(s.t, "shop/victim", victim, s.of("shop/victim"))
	if len(s.of("shop/bad")) != 1 {
		s.t.Error("a workload of the same commit waits for the image")
	}
}

func registryDown(s *site) {
	victim := s.of("shop/victim")
	next := s.store("down")
	s.registry.Down()
	s.put("shop/victim", strings.ReplaceAll(fast(sleeper), "IMAGE", next))
	commit := s.commit("an image that cannot be had")
	s.wantProblem("registry-unreachable", []string{next, "does not answer", "connection refused"}, "")
	s.wantReason(commit, reconciler.Failed, "does not answer")
	wantSame(s.t, "shop/victim", victim, s.of("shop/victim"))
	s.registry.Up(s.t)
	s.eventually("the image, once the registry is up", func() bool {
		for id := range s.of("shop/victim") {
			if _, same := victim[id]; !same {
				return true
			}
		}
		return false
	})
}

func registryLocked(s *site) {
	victim := s.of("shop/victim")
	next := s.store("locked")
	s.registry.Lock("someone", "secret")
	defer s.registry.Lock("", "")
	s.put("shop/victim", strings.ReplaceAll(fast(sleeper), "IMAGE", next))
	commit := s.commit("an image behind a password")
	s.wantProblem("image-unauthorized", []string{next, "credentials"}, "password")
	s.wantReason(commit, reconciler.Failed, next, "credentials")
	wantSame(s.t, "shop/victim", victim, s.of("shop/victim"))
}

func exitsAtOnce(s *site) {
	s.put("shop/victim", exits)
	s.wantReason(s.commit("it exits"), reconciler.RolledBack, "shop/victim", "exited with code 3")
	s.wantProblem("rolled-back", []string{"shop/victim", "exited with code 3"}, "push")
	if healthy(s.status(), "shop/victim") != 1 {
		s.t.Error("the version before is not up")
	}
}

func exitsFromTheStart(s *site) {
	s.put("shop/bad", exits)
	s.wantReason(s.commit("it exits, and there is no version before"), reconciler.Failed, "shop/bad.0 on n1", "exited with code 3")
	s.wantProblem("exited", []string{"shop/bad.0 on n1", "exited with code 3", "times in a row"}, "bayplan logs shop/bad.0")
}

func commandMissing(s *site) {
	s.put("shop/victim", exits+"\tcommand: [\"/no/such/program\"]\n")
	s.wantReason(s.commit("no such command"), reconciler.RolledBack, "shop/victim", "/no/such/program")
}

func neverHealthy(s *site) {
	victim := s.of("shop/victim")
	s.put("shop/victim", `
	image: "IMAGE"
	args: ["sleep"]
	ports: http: container: 8080
	health: {http: {path: "/up", port: "http"}, interval: "200ms"}
	resources: {cpu: "20m", memory: "16Mi"}
	update: {minHealthyTime: "0s", healthyDeadline: "8s"}
	stop: grace: "3s"
`)
	s.wantReason(s.commit("it never listens"), reconciler.RolledBack, "shop/victim", "was not healthy within 8s", "connection refused")
	s.wantProblem("rolled-back", []string{"not healthy within 8s"}, "push")
	wantSame(s.t, "the version before", victim, s.of("shop/victim"))
}

func killedForMemory(s *site) {
	greedy := `
	image: "IMAGE"
	args: ["oom"]
	resources: {cpu: "20m", memory: "16Mi", limit: memory: "24Mi"}
	restart: backoff: "200ms"
	update: {minHealthyTime: "5s", progressDeadline: "30s"}
`
	s.put("shop/victim", greedy)
	s.put("shop/bad", greedy)
	commit := s.commit("it takes too much")
	s.wantProblem("oom-killed", []string{"shop/bad.0 on n1", "killed for using more memory than its limit"}, "raise resources.limit.memory")
	s.wantReason(commit, reconciler.Failed, "shop/bad", "more memory than its limit")
	s.wantProblem("rolled-back", []string{"shop/victim", "more memory than its limit"}, "push")
}

func fixedPortTwice(s *site) {
	port := freePort(s.t, s.net+".1")
	s.put("shop/bad", fast(sleeper)+fmt.Sprintf("\treplicas: 2\n\tports: http: {container: 8080, host: %d}\n", port))
	commit := s.commit("one port for two")
	s.wantProblem("unplaced", []string{"shop/bad.1", strconv.Itoa(port), "n1"}, "let the scheduler choose the host port")
	s.wantReason(commit, reconciler.Failed, "shop/bad.1", strconv.Itoa(port))
	wantText(s.t, "explain", s.shell("bayplan explain shop/bad.1"), strconv.Itoa(port), "n1")
	s.eventually("the slot that fits", func() bool { return healthy(s.status(), "shop/bad") == 1 })
}

func portHeld(s *site) {
	l, err := net.Listen("tcp", net.JoinHostPort(s.net+".1", "0"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	s.put("shop/bad", sleeper+fmt.Sprintf("\tports: http: {container: 8080, host: %d}\n\trestart: backoff: \"200ms\"\n", port))
	s.commit("a port that is taken")
	s.wantProblem("port-in-use", []string{"shop/bad.0 on n1", fmt.Sprintf("port %d", port)}, "free the port on node n1")
	l.Close()
	s.eventually("the slot, once the port is free", func() bool { return healthy(s.status(), "shop/bad") == 1 })
}

func fitsNowhere(s *site) {
	s.put("shop/bad", strings.NewReplacer(`memory: "16Mi"`, `memory: "900Gi"`, "PROGRESS", "3s").Replace(sleeper))
	wantText(s.t, "plan", s.wantExit(4, "bayplan plan "+s.clone), "shop/bad.0", "900Gi")
	commit := s.commit("more than anyone has")
	s.wantProblem("unplaced", []string{"shop/bad.0", "memory", "900Gi"}, "lower the request")
	wantText(s.t, "explain", s.shell("bayplan explain shop/bad.0"), "shop/bad.0", "n1", "memory", "900Gi")
	s.wantReason(commit, reconciler.Failed, "shop/bad.0", "900Gi")
}

// More than one message may hold is told as such; the node keeps what it has,
// and other nodes go on.
func TestE2E_AssignmentOverTheLimit(t *testing.T) {
	s := build(t)
	s.up(2)
	s.put("shop/web", sleeperOn("n1", 1))
	s.put("shop/far", sleeperOn("n2", 1))
	s.wantOutcome(s.commit("what runs well"), reconciler.Applied)
	running := s.containers()
	s.write("big/all.cue", strings.ReplaceAll(bigWorkloads, "IMAGE", s.image))
	s.push("true")
	s.wantShown("over the limit of 16777216", "n1")
	s.put("shop/far2", sleeperOn("n2", 1))
	s.commit("more for the other node")
	s.eventually("it on the other node", func() bool { return healthy(s.status(), "shop/far2") == 1 })
	now := s.containers()
	for id, x := range running {
		if now[id] != x {
			t.Errorf("container %.12s is %q, was %q", id, now[id], x)
		}
	}
	s.shell("cd " + s.clone + " && git rm -q big/all.cue && git commit -q -m 'less again' -m 'Bayplan-Allow-Removal: 600' && git push -q")
	s.wantOutcome(s.shell("git -C "+s.clone+" rev-parse HEAD"), reconciler.Applied)
	s.eventually("end of all problems", func() bool { return len(s.status().Problems) == 0 })
}

// bigWorkloads are 600, each almost as large as one may be, all on n1.
const bigWorkloads = `package big

import "strings"

workloads: {
	for a in [0, 1, 2, 3, 4, 5] for b in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] for c in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] {
		"w\(a)\(b)\(c)": {
			kind: "service"
			image: "IMAGE"
			args: ["sleep"]
			env: BIG: strings.Repeat("0123456789abcdef", 1900)
			resources: {cpu: "1m", memory: "1Mi"}
			constraints: [{attribute: "node", value: "n1"}]
		}
	}
}
`

func freePort(t *testing.T, address string) int {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
