package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// factsAt are the facts that the killed process records at its step i: some
// steps fit one transaction, some take a journal.
func factsAt(i int) reconciler.Facts {
	sizes := []int{3, 4, 130, 131, 5, 210}
	f := clusterOf(sizes[i%len(sizes)], 1+i%3)
	f.Rollouts[0].Progress = i
	f.Spec.Revision.Body = fmt.Sprint(i)
	if i%4 == 3 {
		f.Rollouts[1].Reason = noise(1<<20 + i<<10) // stored in parts
	}
	return f
}

// stepOf is the step that these facts were recorded at.
func stepOf(f reconciler.Facts) int {
	if len(f.Rollouts) == 0 {
		return 0
	}
	return f.Rollouts[0].Progress
}

// childRecord goes on from what is recorded, step by step, until it is killed.
func childRecord(dir string) {
	ctx := context.Background()
	l, err := Open(ctx, Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	term, err := l.Campaign(ctx)
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	before, err := l.Facts(ctx)
	for i := stepOf(before) + 1; err == nil; i++ {
		after := factsAt(i)
		fmt.Println("begin", i)
		err = insist(func() error {
			return term.Record(ctx, before, after, []status.Event{{Kind: "rollout", Text: fmt.Sprint(i)}})
		})
		fmt.Println("end", i)
		before = after
	}
	fmt.Println("error:", err)
	os.Exit(1)
}

// I21, I32: whenever the server is killed, the facts are those of the last
// Record that returned, or of the one under way; the next server leads at once
// and can go on.
func TestRecord_KilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	last := 0
	for range 8 {
		ended, begun := runUntilKilled(t, dir, last+2+random.IntN(6), random.IntN(2) == 0)
		if ended == 0 {
			ended = last
		}
		l := open(t, dir)
		got := facts(t, l)
		last = stepOf(got)
		if last != ended && last != begun {
			t.Fatalf("step %d is recorded; %d had ended and %d begun", last, ended, begun)
		}
		if d := differ(factsAt(last), got); last > 0 && d != "" {
			t.Fatalf("step %d: %s", last, d)
		}
		wantEvent(t, l, last)
		closed(t, l)
	}
}

// wantEvent checks that the newest event is the one of the recorded step.
func wantEvent(t *testing.T, l *Ledger, step int) {
	t.Helper()
	if err := campaign(t, l).Append(t.Context(), nil); err != nil { // finishes a journal
		t.Fatal(err)
	}
	got, err := l.Events(t.Context(), 1)
	if err != nil || len(got) != 1 || got[0].Text != fmt.Sprint(step) {
		t.Errorf("step %d: newest event %v %v", step, got, err)
	}
}

// runUntilKilled lets a process record until it begins step stop (or, with
// late, has ended it), kills it, and tells which steps it had ended and begun.
func runUntilKilled(t *testing.T, dir string, stop int, late bool) (ended, begun int) {
	t.Helper()
	cmd, lines := child(t, "record", dir)
	for lines.Scan() {
		var what string
		var i int
		if _, err := fmt.Sscan(lines.Text(), &what, &i); err != nil {
			t.Fatal(lines.Text())
		}
		if what == "begin" {
			begun = i
		} else {
			ended = i
		}
		if i == stop && (what == "end" || !late) {
			cmd.Process.Kill()
		}
	}
	cmd.Wait()
	return ended, begun
}
