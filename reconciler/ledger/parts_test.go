package ledger

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// fat is the cluster with many orders for its first node, of long texts that do
// not compress: what counts is the size of all.
func fat(f reconciler.Facts, orders int) reconciler.Facts {
	const long = 2000
	f.Nodes = slices.Clone(f.Nodes)
	a := nodes.Assignment{Node: f.Nodes[0].Name, Version: nodes.Version{Epoch: 9, Serial: int64(orders)}}
	text := noise(orders * long)
	for i := range orders {
		a.Orders = append(a.Orders, nodes.Order{ID: fmt.Sprintf("%06d", i), Slot: schema.Slot{Workload: "x", Index: i},
			Digest: schema.Digest(text[i*long : (i+1)*long]), Stop: true})
	}
	f.Nodes[0].Assignment = a
	return f
}

// I27: a node with too many orders for one value keeps nothing from being
// recorded, in whatever size it was before and is next, over restarts.
func TestRecord_AFactInParts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	term := campaign(t, l)
	before := reconciler.Facts{}
	for i, orders := range []int{3, 1000, 500, 500, 1500, 2, 900} {
		after := fat(clusterOf(3+i, 2), orders)
		if err := term.Record(t.Context(), before, after, eventsOf(i, 1)); err != nil {
			t.Fatalf("%d orders: %v", orders, err)
		}
		if i%3 == 2 {
			closed(t, l)
			l = open(t, dir)
			term = campaign(t, l)
		}
		if d := differ(after, facts(t, l)); d != "" {
			t.Fatalf("%d orders: %s", orders, d)
		}
		before = after
	}
	if len(partKeys(t, l)) == 0 {
		t.Error("900 orders are not stored in parts")
	}
	if err := term.Record(t.Context(), before, reconciler.Facts{}, nil); err != nil {
		t.Fatal(err)
	}
	if left := partKeys(t, l); len(left) > 0 {
		t.Errorf("parts that nothing names: %s", left)
	}
}

func partKeys(t *testing.T, l *Ledger) (keys []string) {
	t.Helper()
	for key := range revisions(t, l) {
		if strings.HasPrefix(key, partKey) {
			keys = append(keys, key)
		}
	}
	return keys
}

// Many teams with many errors each, in one document.
func TestRecord_ACommitOfManyErrors(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	f := clusterOf(3, 2)
	text := noise(5 << 20)
	f.Spec.Teams = nil
	for i := range 500 {
		f.Spec.Teams = append(f.Spec.Teams, schema.Team{Name: fmt.Sprintf("team%03d", i), Errors: []string{text[i*10_000 : (i+1)*10_000]}})
	}
	if err := campaign(t, l).Record(t.Context(), reconciler.Facts{}, f, nil); err != nil {
		t.Fatal(err)
	}
	if d := differ(f, facts(t, l)); d != "" {
		t.Error(d)
	}
}

func TestDecode_APartThatIsMissing(t *testing.T) {
	s := &stored{values: map[string][]byte{headKey: []byte("parts:2"), partOf(headKey, 0): []byte("{}")}, parts: map[string]int{}}
	if err := s.join(); err == nil || !strings.Contains(err.Error(), "part 1 of facts/head is missing") {
		t.Errorf("got %v", err)
	}
}

// I27: the text of a container that fails cannot be too long for the log.
func TestEvents_LongTextsAreCut(t *testing.T) {
	l := open(t, t.TempDir())
	long, other := strings.Repeat("é", 10<<10), noise(1<<20)
	events := eventsOf(0, 300)
	for i := range events {
		events[i].Text, events[i].Node = other[:i*3000]+long, long
	}
	if err := campaign(t, l).Append(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	got, err := l.Events(t.Context(), 0)
	if err != nil || len(got) != len(events) {
		t.Fatalf("%d of %d events, %v", len(got), len(events), err)
	}
	for i, e := range got {
		for _, text := range []string{e.Text, e.Node} {
			if len(text) > maxText || !utf8.ValidString(text) || !strings.HasSuffix(text, "…") || e.Slot != "a/b.0" {
				t.Fatalf("event %d has a text of %d bytes", i, len(text))
			}
		}
	}
	if events[0].Text != long { // it begins with nothing else
		t.Error("the caller's events changed")
	}
}

// What the facts hold and has a key of its own is stored once.
func TestHead_HoldsNoList(t *testing.T) {
	f := reconciler.Facts{Approvals: []reconciler.Approval{{}}, Volumes: []reconciler.VolumeFact{{}}, Enrolments: []reconciler.Enrolment{{}}, Plans: []reconciler.PinnedPlan{{}}}
	if h := headOf(&f); len(h.Rest.Approvals)+len(h.Rest.Plans)+len(h.Rest.Volumes)+len(h.Rest.Enrolments) > 0 {
		t.Errorf("got %+v", h.Rest)
	}
}
