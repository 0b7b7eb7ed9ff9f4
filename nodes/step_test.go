package nodes

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bayplan/bayplan/schema"
)

// Of what a step wrote its end is kept, in whole lines of text.
func TestCutOutput(t *testing.T) {
	long := strings.Repeat("é", MaxOutput)
	for text, want := range map[string]string{
		"":                       "",
		"a\nb\n\n":               "a\nb",
		"\x1b[1mbold\x00\xff\tx": "[1mbold\tx",
		strings.Repeat("noise\n", MaxOutput) + "the end": "",
		long: "",
	} {
		got := CutOutput(text)
		if want != "" && got != want || len(got) > MaxOutput || !utf8.ValidString(got) {
			t.Errorf("%.40q: %.40q (%d bytes)", text, got, len(got))
		}
		if strings.HasSuffix(text, "the end") && !strings.HasSuffix(got, "noise\nthe end") || strings.HasPrefix(got, "oise") {
			t.Errorf("cut in a line: %.40q…", got)
		}
	}
}

// A node's word about a step is bounded as its other words are.
func TestBound_CutsAnOutcome(t *testing.T) {
	r := Report{Instances: []Instance{{ID: "a", Outcome: &Outcome{Text: strings.Repeat("x", 1<<20), Output: strings.Repeat("y", 1<<20)}}}}
	if err := r.Bound(); err != nil {
		t.Fatal(err)
	}
	if o := r.Instances[0].Outcome; len(o.Text) > MaxText || len(o.Output) > MaxOutput {
		t.Errorf("%d and %d bytes", len(o.Text), len(o.Output))
	}
}

// A step's container finds what it is about.
func TestTarget(t *testing.T) {
	got := Target(schema.Slot{Workload: "shop/db", Index: 2}, "10.0.0.1", map[string]int{"pg-main": 20000})
	if len(got) != 3 || got["TARGET_SLOT"] != "shop/db.2" || got["TARGET_HOST"] != "10.0.0.1" || got["TARGET_PORT_PG_MAIN"] != "20000" {
		t.Errorf("%v", got)
	}
}
