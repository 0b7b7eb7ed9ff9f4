package reconciler_test

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// sicken makes a machine one on which everything fails, or well again.
func (a actions) sicken(t *rapid.T) {
	m := a.machine(t)
	m.sick = !m.sick
}

// trouble is a machine that cannot start anything, or can again.
func (a actions) trouble(t *rapid.T) {
	m := a.machine(t)
	if m.node.Trouble == "" {
		m.node.Trouble = "its disk is full"
	} else {
		m.node.Trouble = ""
	}
	a.hear(m)
	a.pass()
}

// remove is an operator who takes a node out of the cluster by force, as the loop
// records it. What the server heard of it stays in its memory.
func (a actions) remove(t *rapid.T) {
	if len(a.machines) < 2 {
		t.Skip("the last one")
	}
	m := a.machine(t)
	name, f := m.node.Name, &a.facts
	a.machines = slices.DeleteFunc(slices.Clone(a.machines), func(x *machine) bool { return x == m })
	f.Nodes = slices.DeleteFunc(slices.Clone(f.Nodes), func(n reconciler.NodeFact) bool { return n.Name == name })
	f.Cordons = slices.DeleteFunc(slices.Clone(f.Cordons), func(c reconciler.Cordon) bool { return c.Node == name })
	f.Volumes = slices.DeleteFunc(slices.Clone(f.Volumes), func(v reconciler.VolumeFact) bool { return v.Node == name })
	at, _ := slices.BinarySearchFunc(f.Enrolments, name, func(e reconciler.Enrolment, n string) int { return strings.Compare(e.Node, n) })
	f.Enrolments = slices.Insert(slices.Clone(f.Enrolments), at, reconciler.Enrolment{Node: name, From: "ann", At: a.now, Removed: a.now})
	a.pass()
}

// anyTimes gives a workload other times than those that most have.
func (a actions) anyTimes(t *rapid.T, w *schema.Workload) {
	pick := func(label string, from ...time.Duration) schema.Duration {
		return schema.Duration(rapid.SampledFrom(from).Draw(t, label))
	}
	w.LostAfter = pick("lost after", 30*time.Second, 30*time.Second, 2*time.Minute)
	w.Update.MinHealthyTime = pick("healthy for", 10*time.Second, 10*time.Second, 0, 5*time.Second)
	w.Update.ProgressDeadline = pick("progress within", 2*time.Minute, 2*time.Minute, 6*time.Minute)
}

// anyImage has a workload ask for an image that no registry told of, now and then.
// A reference that was known stays so.
func (a actions) anyImage(w *schema.Workload, pick func(label string, from ...string) string) {
	old := a.facts.Spec.Workload(w.Name)
	if pick("image is known", "yes", "yes", "yes", "yes", "yes", "no") == "no" && old.PinOf(w.Image) == "" {
		w.Pinned = ""
	}
}

// unresolved are the workloads of the tip whose images no registry told of.
func (f *fleet) unresolved() (all []reconciler.Unresolved) {
	for i := range f.desired.Workloads {
		if w := &f.desired.Workloads[i]; w.Pinned == "" {
			all = append(all, reconciler.Unresolved{Workload: w.Name, Failure: nodes.Failure{Code: nodes.ImageNotFound, Text: "there is no image " + w.Image}})
		}
	}
	return all
}

// resolve has the registry know all images.
func (a actions) resolve(*rapid.T) {
	if len(a.unresolved()) == 0 {
		return
	}
	s := a.desired
	s.Workloads = slices.Clone(s.Workloads)
	for i := range s.Workloads {
		s.Workloads[i].Pinned = cmp.Or(s.Workloads[i].Pinned, "img@9")
	}
	s.Seal()
	a.desired, a.commits[s.Revision.Commit] = s, s
	a.pass()
}
