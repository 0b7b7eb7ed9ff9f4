package tree

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAnnotate_EscapesWhatWouldEndACommand(t *testing.T) {
	var b strings.Builder
	err := Annotate(&b, []Finding{
		{File: "a,b:c/100%.cue", Line: 3, Col: 7, Path: "workloads.web.env.A:B", Message: "want 100%,\n::set-env name=X::y\r", Next: "do: it"},
		{Message: "the tree holds no package"},
	}, "deploy/")
	if err != nil {
		t.Fatal(err)
	}
	want := "::error file=deploy/a%2Cb%3Ac/100%25.cue,line=3,col=7,title=workloads.web.env.A%3AB::want 100%25,%0A::set-env name=X::y%0D%0Anext: do: it\n" +
		"::error title=bayplan validate::the tree holds no package\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestCodeQuality_FingerprintsOutliveLines(t *testing.T) {
	of := func(all ...Finding) (prints []string) {
		for _, q := range CodeQuality(all, "") {
			prints = append(prints, q.Fingerprint)
		}
		return prints
	}
	a := Finding{File: "a.cue", Line: 3, Path: "workloads.web", Message: `"x" stands here twice, first in line 2 (see also b.cue:4:5)`}
	moved := a
	moved.Line, moved.Message = 9, `"x" stands here twice, first in line 8 (see also b.cue:7:5)`
	other := a
	other.File = "b.cue"
	if diff := cmp.Diff(of(a), of(moved)); diff != "" {
		t.Errorf("an error that moved is a new one: %s", diff)
	}
	prints := of(a, moved, other)
	if prints[0] == prints[1] || prints[0] == prints[2] || prints[1] == prints[2] {
		t.Errorf("two errors have one fingerprint: %v", prints)
	}
	if got := CodeQuality([]Finding{{Message: "x"}}, "deploy/")[0].Location; got != (Location{"deploy/.", Lines{1}}) {
		t.Errorf("got %+v", got)
	}
}
