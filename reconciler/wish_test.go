package reconciler_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/reconciler"
)

// ask puts an operator's wish to the world and tells what became of it.
func (w *world) ask(t *testing.T, d *datadriven.TestData) (text string, granted bool) {
	wish := reconciler.Wish{Verb: reconciler.Verb(d.CmdArgs[0].Key), Of: d.CmdArgs[1].Key, Actor: "ann", At: w.now}
	for _, arg := range d.CmdArgs[2:] {
		var err error
		switch arg.Key {
		case "reason":
			wish.Reason = strings.Join(arg.Vals, ", ")
		case "for":
			wish.For, err = time.ParseDuration(arg.Vals[0])
		case "by":
			wish.Actor = arg.Vals[0]
		default:
			err = errors.New("no such part of a wish: " + arg.Key)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	facts, g, err := reconciler.Grant(w.facts, wish)
	if err != nil {
		return "refused: " + err.Error() + "\n", false
	}
	w.facts = facts
	return fmt.Sprintf("granted: %s (%s)\n", g.Text, g.Next), true
}

// wish puts an operator's wish to the fleet: it is granted and in the record
// with who, why and when, or refused and then changes nothing (I39).
func (f *fleet) wish(w reconciler.Wish) bool {
	w.Actor, w.At = "ann", f.now
	was := encode(f.t, f.facts)
	facts, g, err := reconciler.Grant(f.facts, w)
	var refusal *reconciler.Refusal
	switch {
	case err != nil && (!errors.As(err, &refusal) || refusal.Text == ""):
		f.t.Fatalf("%s %s is refused without a word: %v", w.Verb, w.Of, err)
	case err != nil && string(encode(f.t, facts)) != string(was), string(encode(f.t, f.facts)) != string(was):
		f.t.Fatalf("%s %s changes what it was given", w.Verb, w.Of)
	case err != nil:
		return false
	case !strings.Contains(g.Text, w.Of) || !strings.Contains(g.Text, "ann") || !strings.Contains(g.Text, w.Reason) || g.Node+g.Workload != w.Of:
		f.t.Fatalf("I39: %s %s is recorded as %q", w.Verb, w.Of, g.Text)
	}
	f.facts = facts
	f.asked = append(f.asked, w)
	f.pass()
	return true
}

// drain drains a node, or only cordons it.
func (a actions) drain(t *rapid.T) {
	verb := rapid.SampledFrom([]reconciler.Verb{reconciler.DrainNode, reconciler.DrainNode, reconciler.CordonNode}).Draw(t, "verb")
	a.wish(reconciler.Wish{Verb: verb, Of: a.machine(t).node.Name, Reason: "disk", For: rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(t, "deadline")})
}

func (a actions) uncordon(t *rapid.T) {
	a.wish(reconciler.Wish{Verb: reconciler.UncordonNode, Of: a.machine(t).node.Name})
}

// operate asks for something of a workload.
func (a actions) operate(t *rapid.T) {
	verb := rapid.SampledFrom([]reconciler.Verb{reconciler.HoldWorkload, reconciler.ReleaseWorkload, reconciler.PauseRollout, reconciler.ResumeRollout,
		reconciler.RestartWorkload, reconciler.RetryRollout, reconciler.UndoRollout}).Draw(t, "verb")
	w := reconciler.Wish{Verb: verb, Of: rapid.SampledFrom(fleetNames).Draw(t, "of"), Reason: "looking", For: rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(t, "for")}
	if a.wish(w) && verb == reconciler.UndoRollout {
		a.checkUndone(w.Of)
	}
}

// letGo ends what operators stopped; their nodes stay closed.
func (f *fleet) letGo() {
	for _, name := range fleetNames {
		f.wish(reconciler.Wish{Verb: reconciler.ReleaseWorkload, Of: name})
		f.wish(reconciler.Wish{Verb: reconciler.ResumeRollout, Of: name})
	}
}

// checkUndone: an undo steers to a version that was good, and to no other (I16).
func (f *fleet) checkUndone(workload string) {
	r := rolloutOf(&f.facts, workload)
	if g := goalOf(r); g == nil || g != r.Good || g.Digest() != r.GoodDigest || r.GoodDigest == r.Target && r.Stage != reconciler.Reverted {
		f.t.Fatalf("I16: %s is undone and steers to %s", workload, encode(f.t, r))
	}
}

// checkDrains: in the end each drain has ended or is told of with what blocks it
// (I36), and nothing but daemons and what has its data there runs where it
// should not.
func (f *fleet) checkDrains() {
	for _, c := range f.facts.Cordons {
		n := nodeFact(&f.facts, c.Node)
		told := slices.ContainsFunc(f.plan.Blocked, func(b reconciler.Blocked) bool { return b.Node == c.Node && strings.HasPrefix(b.Code, "drain-") })
		switch {
		case !c.Drain:
		case c.Drained.IsZero() && !told:
			f.t.Fatalf("I36: the drain of %s has no end, and nothing says why: %s; told %s", c.Node, encode(f.t, n.Assignment.Orders), encode(f.t, f.plan.Blocked))
		case !c.Drained.IsZero() && len(n.Assignment.Orders) > 0:
			f.t.Fatalf("I36: %s is drained and has orders: %s", c.Node, encode(f.t, n.Assignment.Orders))
		}
	}
}
