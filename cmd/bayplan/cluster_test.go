package main

import (
	"encoding/json"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/serve"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
	"github.com/bayplan/bayplan/testenv/fakecluster"
)

// birth is the cluster's clock: long ago, so that ages are told in days.
var birth = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// served is a cluster in memory behind the real API.
type served struct {
	*fakecluster.Cluster
	server *httptest.Server
}

type servedKey struct{}

// setUp gives each script a cluster of two nodes and the environment of its
// client.
func setUp(env *testscript.Env) error {
	c := fakecluster.New(birth, "n1", "n2")
	p, err := newPKI(env.WorkDir)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(serve.New(serve.Config{
		Cluster: c, Consoles: c, Joiner: c, Name: "harbour", Version: "dev", Source: "file:///repo.git", Branch: "main",
		Identity: func(r *http.Request) string { return r.TLS.PeerCertificates[0].Subject.CommonName },
		Log:      slog.New(slog.DiscardHandler),
	}))
	s := httptest.NewUnstartedServer(mux)
	s.EnableHTTP2 = true
	s.TLS = p.server
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	env.Defer(func() {
		s.CloseClientConnections()
		s.Close()
	})
	env.Values[servedKey{}] = &served{c, s}
	env.Setenv("BAYPLAN_SERVER", s.URL)
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		return err
	}
	env.Setenv("EXAMPLES", examples)
	for name, file := range p.files {
		env.Setenv(name, file)
	}
	env.Setenv("TZ", "UTC")
	env.Setenv("USER", "ann")
	return nil
}

// clusterVerb is what a script can do to the cluster.
func clusterVerb(ts *testscript.TestScript, neg bool, args []string) {
	verbs := map[string]func(*testscript.TestScript, *served, []string){
		"apply": clusterApply, "rollout": clusterRollout, "head": clusterHead, "team": clusterTeam, "commit": clusterCommit, "end": clusterEnd, "event": clusterEvent, "print": clusterPrint,
		"problem": clusterProblem, "lose": clusterLose, "stop": clusterStop, "gone": clusterGone,
		"drop": clusterDrop, "clock": clusterClock, "image": clusterImage, "image-none": clusterImageNone,
	}
	if neg || len(args) == 0 || verbs[args[0]] == nil {
		ts.Fatalf("cluster: no such verb: %v", args)
	}
	verbs[args[0]](ts, ts.Value(servedKey{}).(*served), args[1:])
}

// apply DIR: the tree is in force and runs.
func clusterApply(ts *testscript.TestScript, c *served, args []string) {
	spec, err := load.Load(os.DirFS(ts.MkAbs(args[0])), schema.Revision{})
	ts.Check(err)
	c.Apply(spec)
}

// rollout WORKLOAD STAGE [REASON]: the workload's rollout is at this stage.
func clusterRollout(_ *testscript.TestScript, c *served, args []string) {
	c.SetStage(args[0], reconciler.Stage(args[1]), strings.Join(args[2:], " "))
}

// team NAME OUTCOME [REASON]: what became of the revision in work for a team.
func clusterTeam(_ *testscript.TestScript, c *served, args []string) {
	c.Change(func(s *status.Status) {
		s.Revision.Teams = append(s.Revision.Teams, reconciler.TeamOutcome{Team: args[0], Outcome: reconciler.Outcome(args[1]), Reason: strings.Join(args[2:], " ")})
	})
}

// head CLONE SUBJECT: the clone's main branch is the new revision in work.
func clusterHead(ts *testscript.TestScript, c *served, args []string) {
	hash := strings.TrimSpace(ts.ReadFile(args[0] + "/.git/refs/heads/main"))
	c.Commit(status.Revision{Commit: hash, Time: birth, Author: "Ann <ann@example.org>", Subject: args[1], Outcome: reconciler.Applied})
}

// commit SHA SUBJECT: a new revision is in work.
func clusterCommit(_ *testscript.TestScript, c *served, args []string) {
	c.Commit(status.Revision{
		Commit: args[0] + strings.Repeat("0", 40-len(args[0])), Time: birth, Author: "Ann <ann@example.org>", Subject: args[1], Outcome: reconciler.Progressing,
	})
}

// end OUTCOME [REASON [REMOVAL...]]: the revision in work has its outcome.
func clusterEnd(_ *testscript.TestScript, c *served, args []string) {
	reason := strings.Join(args[1:min(2, len(args))], "")
	c.End(reconciler.Outcome(args[0]), reason)
	if len(args) > 2 {
		c.Change(func(s *status.Status) { s.Revision.Removals = args[2:] })
	}
}

// event JSON...: each is recorded.
func clusterEvent(ts *testscript.TestScript, c *served, args []string) {
	for _, a := range args {
		var e status.Event
		ts.Check(json.Unmarshal([]byte(a), &e))
		c.Record(e)
	}
}

// print SLOT LINE: the slot's container writes a line.
func clusterPrint(ts *testscript.TestScript, c *served, args []string) {
	for _, w := range c.status().Workloads {
		for _, s := range w.Slots {
			if slot, _ := schema.ParseSlot(s.Slot); s.Slot == args[0] {
				c.Print(s.Node, nodes.InstanceID(slot, s.Digest), args[1]+"\n")
				return
			}
		}
	}
	ts.Fatalf("no slot %s", args[0])
}

// problem CODE SUBJECT TEXT NEXT: a problem is shown.
func clusterProblem(_ *testscript.TestScript, c *served, args []string) {
	c.Change(func(s *status.Status) {
		s.Problems = append(s.Problems, status.Problem{Code: args[0], Subject: args[1], Text: args[2], Next: args[3]})
	})
}

// lose NODE: the node is silent for too long.
func clusterLose(_ *testscript.TestScript, c *served, args []string) {
	c.Change(func(s *status.Status) {
		for i := range s.Nodes {
			if s.Nodes[i].Name == args[0] {
				s.Nodes[i].State, s.Nodes[i].Reason = "lost", "silent for 1m"
			}
		}
	})
}

// stop: the server goes away for good.
func clusterStop(_ *testscript.TestScript, c *served, _ []string) {
	c.server.CloseClientConnections()
	c.server.Close()
}

// drop: every connection breaks; the server goes on.
func clusterDrop(_ *testscript.TestScript, c *served, _ []string) { c.server.CloseClientConnections() }

// clock: what happens from now on happens now.
func clusterClock(_ *testscript.TestScript, c *served, _ []string) { c.SetClock(time.Now()) }

// gone SLOT: the slot's node does not have its container any more.
func clusterGone(_ *testscript.TestScript, c *served, args []string) {
	c.Change(func(s *status.Status) {
		for i := range s.Workloads {
			for j := range s.Workloads[i].Slots {
				if x := &s.Workloads[i].Slots[j]; x.Slot == args[0] {
					x.Node = "n9"
				}
			}
		}
	})
}

// image NODE NAME used|unused...: the node keeps these images and no others,
// used last at the cluster's birth.
func clusterImage(_ *testscript.TestScript, c *served, args []string) {
	var all []nodes.Image
	for i := 1; i+1 < len(args); i += 2 {
		digest := "sha256:" + strings.Repeat(strconv.Itoa(i%10), 64)
		repo, _, _ := strings.Cut(args[i], ":")
		all = append(all, nodes.Image{Digest: digest, Names: []string{args[i], repo + "@" + digest}, Size: 3 << 20,
			Created: birth.Add(-24 * time.Hour), Used: birth, InUse: args[i+1] == "used"})
	}
	c.SetImages(args[0], all...)
}

// image-none NODE: the node answers no question about images.
func clusterImageNone(_ *testscript.TestScript, c *served, args []string) { c.NoImages(args[0]) }

func (c *served) status() *status.Status {
	st, _ := c.Status()
	return st
}
