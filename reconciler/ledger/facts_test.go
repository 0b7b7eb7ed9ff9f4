package ledger

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// I21, I32: whatever is recorded is read again, also by the next process.
func TestRecord_AnyFactsReadBackTheSame(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	term := campaign(t, l)
	var before reconciler.Facts
	rapid.Check(t, func(r *rapid.T) {
		after := drawFacts(r)
		if err := term.Record(t.Context(), before, after, nil); err != nil {
			r.Fatal(err)
		}
		if rapid.IntRange(0, 19).Draw(r, "reopen") == 0 {
			closed(t, l)
			l = open(t, dir)
			term = campaign(t, l)
		}
		before = facts(t, l)
		if d := differ(after, before); d != "" {
			r.Fatal(d)
		}
		wantOnlyNamedTexts(r, t, l)
	})
}

// wantOnlyNamedTexts checks that each stored text is named by some fact.
func wantOnlyNamedTexts(r *rapid.T, t *testing.T, l *Ledger) {
	s, err := l.load(t.Context())
	if err != nil {
		r.Fatal(err)
	}
	_, ix, err := s.decode()
	if err != nil {
		r.Fatal(err)
	}
	for key := range s.values {
		if h, ok := strings.CutPrefix(key, textKey); ok && ix.uses[h] == 0 {
			r.Fatalf("text %s is stored and nothing names it", h)
		}
	}
}

func TestRecord_WritesOnlyWhatDiffers(t *testing.T) {
	l := open(t, t.TempDir())
	term := campaign(t, l)
	before := clusterOf(20, 4)
	if err := term.Record(t.Context(), reconciler.Facts{}, before, nil); err != nil {
		t.Fatal(err)
	}
	was := revisions(t, l)

	after := before
	after.Rollouts = slices.Clone(before.Rollouts)
	after.Rollouts[2].Progress++
	after.Nodes = slices.Clone(before.Nodes)
	after.Nodes[7].Assignment = reassigned(before.Nodes[7].Assignment)
	if err := term.Record(t.Context(), before, after, []status.Event{{Kind: "order"}}); err != nil {
		t.Fatal(err)
	}
	want := []string{assignmentKey + after.Nodes[7].Name, rolloutKey + after.Rollouts[2].Workload}
	if got := moved(was, revisions(t, l)); !slices.Equal(got, want) {
		t.Errorf("written: %q, want %q", got, want)
	}
	if d := differ(after, facts(t, l)); d != "" {
		t.Error(d)
	}
}

func TestRecord_EqualFactsWriteNothing(t *testing.T) {
	l := open(t, t.TempDir())
	term := campaign(t, l)
	f := clusterOf(5, 3)
	if err := term.Record(t.Context(), reconciler.Facts{}, f, nil); err != nil {
		t.Fatal(err)
	}
	was := storeRevision(t, l)
	for _, again := range []reconciler.Facts{f, clusterOf(5, 3), facts(t, l)} {
		if err := term.Record(t.Context(), f, again, nil); err != nil {
			t.Fatal(err)
		}
	}
	if now := storeRevision(t, l); now != was {
		t.Errorf("the store moved from revision %d to %d", was, now)
	}
}

func TestRecord_ThousandNodesAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	f := clusterOf(1000, 20)
	if err := campaign(t, l).Record(t.Context(), reconciler.Facts{}, f, nil); err != nil {
		t.Fatal(err)
	}
	for key, value := range values(t, l) {
		if len(value) > 64<<10 {
			t.Errorf("%s takes %s", key, schema.Bytes(len(value)).Human())
		}
	}
	closed(t, l)
	got := facts(t, open(t, dir))
	for n := 0; n < len(f.Nodes); n += 37 { // comparing all takes seconds
		if d := cmp.Diff(f.Nodes[n], got.Nodes[n], cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	}
	f.Nodes, got.Nodes = f.Nodes[:1], got.Nodes[:1]
	if d := differ(f, got); d != "" {
		t.Error(d)
	}
}

func TestFacts_OfOneTextShareOneWorkload(t *testing.T) {
	l := open(t, t.TempDir())
	if err := campaign(t, l).Record(t.Context(), reconciler.Facts{}, clusterOf(12, 3), nil); err != nil {
		t.Fatal(err)
	}
	got := facts(t, l)
	if a, b := got.Nodes[0].Assignment.Orders[0].Workload, got.Nodes[2].Assignment.Orders[0].Workload; a != b || a != got.Rollouts[0].Good {
		t.Error("one text became two workloads")
	}
}

// A change under way counts from the instant that its journal is whole: before,
// readers see the old facts, from then on the new ones, whoever dies.
func TestRecord_JournalIsAllOrNothing(t *testing.T) {
	t.Parallel()
	old, new := clusterOf(120, 2), clusterOf(150, 3)
	ops := opsBetween(t, old, new)
	batches := split(ops)
	if len(batches) < 2 {
		t.Fatalf("only %d batches", len(batches))
	}
	l := open(t, t.TempDir())
	for cut := range 2*len(batches) + 2 {
		l.cfg.Prefix = fmt.Sprintf("cluster %d/", cut)
		term := campaign(t, l)
		if err := term.Record(t.Context(), reconciler.Facts{}, old, nil); err != nil {
			t.Fatal(err)
		}
		want := halfway(t, term, batches, cut, old, new)
		if d := differ(want, facts(t, l)); d != "" {
			t.Errorf("cut %d, before anybody leads: %s", cut, d)
		}
		term.Resign()
		next := campaign(t, l)
		if err := next.Append(t.Context(), []status.Event{{Kind: "node"}}); err != nil {
			t.Fatal(err)
		}
		if d := differ(want, facts(t, l)); d != "" {
			t.Errorf("cut %d, with the next leader: %s", cut, d)
		}
		if s, err := l.load(t.Context()); err != nil || len(s.journal) > 0 || s.ready {
			t.Errorf("cut %d: left %q %v %v", cut, s.journal, s.ready, err)
		}
		next.Resign()
	}
}

// halfway plays the first steps of commit and tells which facts count then.
func halfway(t *testing.T, term *Term, batches [][]op, steps int, old, new reconciler.Facts) reconciler.Facts {
	t.Helper()
	step := func(err error) bool {
		if err != nil {
			t.Fatal(err)
		}
		steps--
		return steps < 0
	}
	for i, b := range batches {
		if steps == 0 || step(term.journal(t.Context(), i, b)) {
			return old
		}
	}
	if steps == 0 {
		return old
	}
	step(term.txn(t.Context(), term.etcdOps([]op{{Key: journalDoneKey, Value: []byte("{}")}})...))
	for i, b := range batches {
		if steps == 0 || step(term.settle(t.Context(), batchKey(i), b)) {
			return new
		}
	}
	return new
}

func TestRecord_UnsortedFactsAreRefused(t *testing.T) {
	l := open(t, t.TempDir())
	term := campaign(t, l)
	f := clusterOf(3, 2)
	slices.Reverse(f.Nodes)
	if err := term.Record(t.Context(), reconciler.Facts{}, f, nil); !errors.Is(err, ErrUnsorted) {
		t.Errorf("got %v", err)
	}
	if d := differ(reconciler.Facts{}, facts(t, l)); d != "" {
		t.Error(d)
	}
}

func TestRecord_OneFactTooLargeWritesNothing(t *testing.T) {
	l := open(t, t.TempDir())
	term := campaign(t, l)
	f := clusterOf(3, 2)
	f.Rollouts[0].Reason = noise(32 << 20)
	if err := term.Record(t.Context(), reconciler.Facts{}, f, nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	if d := differ(reconciler.Facts{}, facts(t, l)); d != "" {
		t.Error(d)
	}
}

// A write that failed half way leaves the caller with a before that may not be
// what is stored; the next Record finds out.
func TestRecord_AfterAFailureTheStoreIsReadAnew(t *testing.T) {
	l := open(t, t.TempDir())
	term := campaign(t, l)
	before, failed, after := clusterOf(4, 2), clusterOf(6, 3), clusterOf(5, 1)
	if err := term.Record(t.Context(), reconciler.Facts{}, before, nil); err != nil {
		t.Fatal(err)
	}
	if err := term.Record(t.Context(), before, failed, nil); err != nil {
		t.Fatal(err)
	}
	term.ix = nil // as after an answer that never came
	if err := term.Record(t.Context(), before, after, nil); err != nil {
		t.Fatal(err)
	}
	if d := differ(after, facts(t, l)); d != "" {
		t.Error(d)
	}
}

func TestFacts_OfANewerFormatAreRefused(t *testing.T) {
	l := open(t, t.TempDir())
	if _, err := l.kv.Put(t.Context(), l.key(headKey), fmt.Sprintf(`{"format":%d}`, format+1)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Facts(t.Context()); !errors.Is(err, ErrNewer) {
		t.Errorf("got %v", err)
	}
}

func TestFacts_DamagedValueIsAnError(t *testing.T) {
	l := open(t, t.TempDir())
	if err := campaign(t, l).Record(t.Context(), reconciler.Facts{}, clusterOf(3, 2), nil); err != nil {
		t.Fatal(err)
	}
	for _, key := range sortedKeys(values(t, l)) {
		was := values(t, l)[key]
		for _, damaged := range []string{"{", string(zstdMagic) + "xyz", ""} {
			if _, err := l.kv.Put(t.Context(), l.key(key), damaged); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Facts(t.Context()); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s = %q: got %v", key, damaged, err)
			}
		}
		if _, err := l.kv.Put(t.Context(), l.key(key), string(was)); err != nil {
			t.Fatal(err)
		}
	}
}
