package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// repo is the tracked branch and all that was ever pushed to it.
type repo struct {
	luck    *rand.Rand
	commits []*commit
	head    *commit
	// away counts the faults that keep the server from looking.
	away int
}

// commit is a whole tree; its text is never changed.
type commit struct {
	id     string
	parent *commit
	spec   schema.Spec // unsealed, images as written
	empty  bool
}

// descends is whether from is among the commit's ancestors, or itself.
func (c *commit) descends(from string) bool {
	if from == "" {
		return true
	}
	for ; c != nil; c = c.parent {
		if c.id == from {
			return true
		}
	}
	return false
}

func (r *repo) find(id string) *commit {
	for _, c := range r.commits {
		if c.id == id {
			return c
		}
	}
	return nil
}

// push makes a commit on top of parent the tip: the workloads by team, those of the
// broken team with an error in their place.
func (w *World) push(parent *commit, workloads []schema.Workload, broken string, empty bool) {
	r := &w.repo
	c := &commit{id: fmt.Sprintf("c%03d%037d", len(r.commits)+1, 0), parent: parent, empty: empty}
	c.spec.Revision = schema.Revision{Commit: c.id, Author: "ann", Subject: c.id[:4]}
	teams := map[string]bool{}
	for i := range workloads {
		team := workloads[i].Team()
		if !teams[team] {
			t := schema.Team{Name: team, Commit: c.id}
			if team == broken {
				t.Commit, t.Errors = "", []string{team + "/x.cue:1:1: boom"}
			}
			c.spec.Teams = append(c.spec.Teams, t)
		}
		if teams[team] = true; team != broken {
			c.spec.Workloads = append(c.spec.Workloads, workloads[i])
		}
	}
	slices.SortFunc(c.spec.Workloads, func(a, b schema.Workload) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(c.spec.Teams, func(a, b schema.Team) int { return strings.Compare(a.Name, b.Name) })
	r.commits, r.head = append(r.commits, c), c
	w.note("pushed", c.id[:4], parentOf(parent), broken)
	for _, s := range w.servers {
		w.after(between(r.luck, 200*time.Millisecond, 5*time.Second), func() { s.look() })
	}
}

func parentOf(c *commit) string {
	if c == nil {
		return ""
	}
	return "on " + c.id[:4]
}

// look is the server's look at the branch: a new tip is evaluated, which takes its
// time, and the newest is the one that counts.
func (s *server) look() {
	s.gets(func() {
		r := &s.w.repo
		if r.away > 0 {
			s.w.after(10*time.Second, s.look)
			return
		}
		if r.head == nil || r.head.id == s.newest {
			return
		}
		tip := r.head
		s.newest = tip.id
		s.w.after(between(r.luck, 50*time.Millisecond, 2*time.Second), func() { s.gets(func() { s.evaluated(tip) }) })
	})
}

// evaluated makes a wish of a tip, unless a newer one has come.
func (s *server) evaluated(tip *commit) {
	if s.newest != tip.id {
		return
	}
	if tip.empty {
		s.wish = wish{refused: "the tree is empty"}
		s.wish.spec.Revision = tip.spec.Revision
		s.wish.spec.Seal()
		s.wakeAt(s.w.time())
		return
	}
	spec := tip.spec
	known := map[string]string{}
	silent := s.w.registry.fails+s.w.registry.hangs > 0
	for _, image := range reconciler.Pin(&spec, &s.facts.Spec, nil) {
		if !silent {
			known[image] = s.w.registry.resolve(image)
		}
	}
	spec = tip.spec
	next := wish{rewritten: !tip.descends(s.facts.Spec.Revision.Commit)}
	reconciler.Pin(&spec, &s.facts.Spec, known)
	for i := range spec.Workloads {
		if image := spec.Workloads[i].Unpinned(); image != "" {
			s.w.truth.waited[tip.id+" "+spec.Workloads[i].Name] = true
			next.unresolved = append(next.unresolved, reconciler.Unresolved{Workload: spec.Workloads[i].Name,
				Failure: nodes.Failure{Code: nodes.RegistryUnreachable, Text: image + ": the registry does not answer"}})
		}
	}
	spec.Seal()
	next.spec = spec
	s.wish = next
	s.wakeAt(s.w.time())
	if len(next.unresolved) > 0 {
		s.w.after(20*time.Second, func() { s.gets(func() { s.evaluated(tip) }) })
	}
}
