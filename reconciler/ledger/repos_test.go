package ledger

import (
	"bytes"
	"testing"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// What a cluster with one repository keeps, an older server reads: the first
// further repository ends that, since it would take that one's work for removed (I4).
func TestFacts_OfSeveralRepositoriesAreOfANewerFormat(t *testing.T) {
	l := open(t, t.TempDir())
	term := campaign(t, l)
	one := clusterOf(3, 2)
	if err := term.Record(t.Context(), reconciler.Facts{}, one, nil); err != nil {
		t.Fatal(err)
	}
	if head := values(t, l)[headKey]; !bytes.Contains([]byte(head), []byte(`{"format":1,`)) {
		t.Errorf("with one repository the head is %.40s", head)
	}
	many := one
	many.Repos = []reconciler.RepoFact{{Name: "shop", Revision: schema.Revision{Commit: "c0ffee"}, Accepted: "x"}}
	many.Commits = append(many.Commits[:len(many.Commits):len(many.Commits)], reconciler.Commit{Repo: "shop", Revision: many.Repos[0].Revision, Outcome: reconciler.Applied})
	many.Approvals = []reconciler.Approval{{Commit: "c0ffee", Repo: "shop", Actor: "ann"}}
	if err := term.Record(t.Context(), one, many, nil); err != nil {
		t.Fatal(err)
	}
	if head := values(t, l)[headKey]; !bytes.Contains([]byte(head), []byte(`{"format":2,`)) {
		t.Errorf("with two the head is %.40s", head)
	}
	if d := differ(many, facts(t, l)); d != "" {
		t.Error(d)
	}
	if err := term.Record(t.Context(), many, one, nil); err != nil {
		t.Fatal(err)
	}
	if d := differ(one, facts(t, l)); d != "" {
		t.Error(d)
	}
}
