package status_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// texts are two of a team, of which the second updates one workload and adds
// another with variables.
func texts(w *world) (base, head schema.Spec) {
	w.push("b", web("hello:1", 2))
	base = w.desired
	job := web("hello:9", 1)
	job.Name, job.Env = "hello/zz", map[string]string{"API_TOKEN": "t0psecret", "URL": "https://ann:t0psecret@db/x", "MODE": "fast"}
	job.Args = []string{"--api-key=t0psecret", "-v"}
	w.push("h", web("hello:2", 2), job)
	return base, w.desired
}

// TestPlan_OnABaseIsTheSameWhateverRuns: compared with a base, a text has one
// answer on the same nodes, whatever of the base has been carried out (I14).
func TestPlan_OnABaseIsTheSameWhateverRuns(t *testing.T) {
	fresh, busy := newWorld("n1", "n2"), newWorld("n1", "n2")
	base, head := texts(fresh)
	busy.push("b", web("hello:1", 2))
	busy.settle()
	q := status.Question{Base: &base, Head: head}
	one, two := status.Plan(fresh.input(), q), status.Plan(busy.input(), q)
	if one.State == two.State {
		t.Error("two states have one name")
	}
	one.State, two.State = "", ""
	if a, b := string(document(t, one)), string(document(t, two)); a != b {
		t.Errorf("on an empty cluster:\n%s\non one that runs the base:\n%s", a, b)
	}
	if one.Mode != status.OnBase || one.Against != "b" || one.Commit != "h" || len(one.Changes) != 2 || one.Changes[0].Slots[0].Effect != "restart" {
		t.Errorf("%s", document(t, one))
	}
}

// TestRecording_AnswersAsTheServerDid: written, read and asked, byte for byte.
func TestRecording_AnswersAsTheServerDid(t *testing.T) {
	w := running()
	base, head := texts(w)
	w.now = w.now.Add(time.Second)
	r := status.Record("bay", w.input())
	var read status.Recording
	if err := json.Unmarshal(document(t, r), &read); err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]status.Question{"live": {Head: head}, "base": {Base: &base, Head: head}} {
		was, is := document(t, status.Plan(w.input(), q)), document(t, status.Plan(read.Input(), q))
		if !bytes.Equal(was, is) {
			t.Errorf("%s: the server says\n%s\nthe recording\n%s", name, was, is)
		}
	}
	if p := status.Plan(read.Input(), status.Question{Head: head}); p.State != r.State || p.Mode != status.Live {
		t.Errorf("state %s of a recording of %s, mode %s", p.State, r.State, p.Mode)
	}
}

// TestStateOf_ChangesWithWhatAPlanHangsOn, and not with the hour.
func TestStateOf_ChangesWithWhatAPlanHangsOn(t *testing.T) {
	name := func(change func(*world)) string {
		w := running()
		change(w)
		in := w.input()
		return status.StateOf(&in)
	}
	was := name(func(*world) {})
	same := name(func(w *world) {
		w.now = w.now.Add(time.Second)
		w.desired.Revision.Subject = "another"
	})
	if was != same {
		t.Errorf("%s a second later: %s", was, same)
	}
	for what, change := range map[string]func(*world){
		"a node fell silent": func(w *world) { w.now = w.now.Add(time.Hour) },
		"a node grew":        func(w *world) { w.facts.Nodes = slices.Clone(w.facts.Nodes); w.facts.Nodes[0].Node.Allocatable.CPU++ },
		"a commit came":      func(w *world) { w.push("5", web("hello:2", 2)); w.settle() },
	} {
		if name(change) == was {
			t.Errorf("%s, and the state has the same name", what)
		}
	}
}

// TestPlan_TellsNoSecret: neither a plan nor a diff has what looks like one (I29),
// and both tell that it differs.
func TestPlan_TellsNoSecret(t *testing.T) {
	w := running()
	_, head := texts(w)
	next := head
	next.Workloads = slices.Clone(head.Workloads)
	x := &next.Workloads[1]
	x.Env = map[string]string{"API_TOKEN": "t0psecret2", "URL": "https://ann:t0psecret2@db/x", "MODE": "slow"}
	x.Args = []string{"--api-key=t0psecret2", "-v"}
	p := status.Plan(w.input(), status.Question{Base: &head, Head: next})
	d := status.Diff(&head, &next)
	for _, text := range []string{string(document(t, p)), string(document(t, d))} {
		if strings.Contains(text, "t0psecret") {
			t.Errorf("a secret is told:\n%s", text)
		}
	}
	want := []status.FieldChange{
		{Path: "args[0]", From: "--api-key=(hidden)", To: "--api-key=(hidden), changed"},
		{Path: "env.API_TOKEN", From: "(hidden)", To: "(hidden), changed"},
		{Path: "env.MODE", From: "fast", To: "slow"},
		{Path: "env.URL", From: "https://ann:(hidden)@db/x", To: "https://ann:(hidden)@db/x, changed"},
	}
	if len(d.Changes) != 1 || !slices.Equal(d.Changes[0].Fields, want) {
		t.Errorf("%s", document(t, d))
	}
	for path, value := range status.Leaves(x) {
		if strings.Contains(value, "t0psecret") {
			t.Errorf("%s = %s", path, value)
		}
	}
}

// TestPlan_OnABaseBlamesTheHeadForItsOwn: what finds no place in the base either is
// a warning, unless the head changes it.
func TestPlan_OnABaseBlamesTheHeadForItsOwn(t *testing.T) {
	w := newWorld("n1")
	big, more := web("hello:1", 1), web("hello:1", 1)
	big.Resources.CPU, more.Name, more.Resources.CPU = 9000, "hello/more", 8000
	w.push("b", big)
	base := w.desired
	w.push("h", big, more)
	p := status.Plan(w.input(), status.Question{Base: &base, Head: w.desired})
	if len(p.Unplaced) != 1 || p.Unplaced[0].Slot != "hello/more.0" || len(p.Warnings) != 1 {
		t.Errorf("%s", document(t, p))
	}
	big.Resources.CPU = 9500
	w.push("h2", big)
	if p := status.Plan(w.input(), status.Question{Base: &base, Head: w.desired}); len(p.Unplaced) != 1 || p.Unplaced[0].Slot != "hello/web.0" {
		t.Errorf("changed, and still: %s", document(t, p))
	}
}

// TestDiff_TellsOfTheOperatorsPart: pools and registries by name.
func TestDiff_TellsOfTheOperatorsPart(t *testing.T) {
	base := schema.Spec{Pools: []schema.Pool{{Name: "a", Weight: 1}}}
	head := schema.Spec{Pools: []schema.Pool{{Name: "a", Weight: 2}, {Name: "b", Weight: 1}}}
	want := []status.FieldChange{{Path: "pools.a.weight", From: "1", To: "2"}, {Path: "pools.b.weight", To: "1"}}
	if d := status.Diff(&base, &head); !slices.Equal(d.Cluster, want) || len(d.Changes) != 0 {
		t.Errorf("%s", document(t, d))
	}
}
