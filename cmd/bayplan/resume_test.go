package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Wherever the connection breaks, and however far back it is read again, each
// line is printed once and in order.
func TestResumed_EachLineOnce(t *testing.T) {
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		var all, want []string
		at := began
		for i := range rapid.IntRange(1, 20).Draw(t, "lines") {
			at = at.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "step")) * time.Second)
			text := fmt.Sprintf("line %d\n", rapid.IntRange(i/3, i).Draw(t, "text"))
			all, want = append(all, at.Format(time.RFC3339Nano)+" "+text), append(want, text)
		}
		var got []string
		r := newResumed(false, began, func(_ string, data []byte) error {
			if len(data) > 0 {
				got = append(got, string(data))
			}
			return nil
		})
		sent := 0
		for range rapid.IntRange(0, 3).Draw(t, "breaks") {
			from := firstOfItsTime(all, rapid.IntRange(0, sent).Draw(t, "from"))
			sent = rapid.IntRange(sent, len(all)).Draw(t, "to")
			read(t, r, all[from:sent])
			r.restart(at)
		}
		read(t, r, all[firstOfItsTime(all, sent):])
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

// firstOfItsTime is where reading begins that is to bring line i: a time says
// from which instant on, and not from which line.
func firstOfItsTime(all []string, i int) int {
	stamp := all[min(i, len(all)-1)][:20]
	return slices.IndexFunc(all, func(l string) bool { return l[:20] == stamp })
}

func read(t *rapid.T, r *resumed, lines []string) {
	for _, l := range lines {
		if err := r.take("a/b.0", []byte(l), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestResumed_HowFarBack(t *testing.T) {
	began := time.Now()
	r := newResumed(true, began, func(string, []byte) error { return nil })
	if got := r.restart(began.Add(time.Hour)); got != time.Hour {
		t.Errorf("silent so far: %s", got)
	}
	if err := r.take("a/b.0", []byte("2026-03-01T12:00:00Z one\n"), began.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := r.restart(began.Add(time.Hour + time.Second)); got != overlap+time.Second {
		t.Errorf("after a line: %s", got)
	}
	kept := r.slots["a/b.0"].fresh([]byte("2026-03-01T11:59:59Z zero\n"), true)
	other := (&printed{until: r.floor}).old(r.floor.Add(-time.Second), "of another slot")
	if kept != nil || !other {
		t.Errorf("what is older than the last line is printed: %q, %v", kept, !other)
	}
}
