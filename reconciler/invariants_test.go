package reconciler_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
)

// check holds one decision against the invariants that a pure function can
// break, by their numbers (I1 and on: what is always true).
func (f *fleet) check(in reconciler.Input, p *reconciler.Plan) {
	f.t.Helper()
	f.checks++
	f.watch.Same, f.watch.Fail = sameEvery, f.t.Fatalf
	if f.quiet {
		f.watch.Same = sameEveryQuiet
	}
	f.watch.Check(in, p)
	f.checkAsked(in, p)
	f.checkSpec(in, p)
	f.checkSteps(in, p)
	f.checkVolumes(p)
	f.checkRuns(in, p)
}

// How many checks there are to one of I14, which costs more than all
// others: while things happen, and once no more do.
const sameEvery, sameEveryQuiet = 5, 50

// checkWake: until the instant that a settled plan asks for, the same input
// decides nothing else; so nobody waits for a pass that does not come.
func (f *fleet) checkWake() {
	in := f.input()
	in.Now = f.now.Add(24 * time.Hour)
	if !f.plan.Wake.IsZero() {
		in.Now = f.plan.Wake.Add(-time.Nanosecond)
	}
	if p := reconciler.Reconcile(in); p.FactsChanged {
		f.t.Fatalf("at %s the same input decides otherwise, and the plan asks for %s: %s\n%s", in.Now.Sub(f.now), f.plan.Wake.Sub(f.now), encode(f.t, p.Changes), differing(f.t, &in.Facts, &p.Facts))
	}
}

// differing are the parts of the facts that are not the same, before and after.
func differing(t testing.TB, was, is *reconciler.Facts) string {
	var b strings.Builder
	x, y := reflect.ValueOf(*was), reflect.ValueOf(*is)
	for i := range x.NumField() {
		before, after := encode(t, x.Field(i).Interface()), encode(t, y.Field(i).Interface())
		if !bytes.Equal(before, after) {
			fmt.Fprintf(&b, "%s was %s\nand is %s\n", x.Type().Field(i).Name, before, after)
		}
	}
	return b.String()
}
