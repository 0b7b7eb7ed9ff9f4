package ledger

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

func eventsOf(from, n int) []status.Event {
	events := make([]status.Event, n)
	for i := range events {
		events[i] = status.Event{Time: epochStart.Add(time.Duration(from+i) * time.Second), Kind: "phase", Slot: "a/b.0", Text: fmt.Sprint("event ", from+i)}
	}
	return events
}

// I35: the newest events are kept, in order, and no more than MaxEvents.
func TestEvents_AreBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	term := campaign(t, l)
	written := 0
	for _, n := range []int{1, 3, 250, 9_800, 120, 1, 1, 700} {
		if err := term.Append(t.Context(), eventsOf(written, n)); err != nil {
			t.Fatal(err)
		}
		written += n
	}
	wantNewest(t, l, written)
	closed(t, l)
	l = open(t, dir)
	if err := campaign(t, l).Append(t.Context(), eventsOf(written, 5)); err != nil {
		t.Fatal(err)
	}
	wantNewest(t, l, written+5)
}

func wantNewest(t *testing.T, l *Ledger, written int) {
	t.Helper()
	all, err := l.Events(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(all); n > MaxEvents || n < MaxEvents-perPage {
		t.Errorf("%d are kept", n)
	}
	if d := cmp.Diff(eventsOf(written-len(all), len(all)), all); d != "" {
		t.Error(d[:min(len(d), 500)])
	}
	for _, last := range []int{1, 7, 333} {
		got, err := l.Events(t.Context(), last)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(eventsOf(written-last, last), got); d != "" {
			t.Errorf("last %d: %s", last, d)
		}
	}
}

func TestEvents_MoreAtOnceThanAreKept(t *testing.T) {
	l := open(t, t.TempDir())
	if err := campaign(t, l).Append(t.Context(), eventsOf(0, MaxEvents+50)); err != nil {
		t.Fatal(err)
	}
	wantNewest(t, l, MaxEvents+50)
}

func TestEvents_OfANewLedger(t *testing.T) {
	l := open(t, t.TempDir())
	if got, err := l.Events(t.Context(), 10); err != nil || len(got) > 0 {
		t.Errorf("got %v %v", got, err)
	}
}

// Facts and the events of one Record stand or fall together.
func TestEvents_AreRecordedWithTheFacts(t *testing.T) {
	l := open(t, t.TempDir())
	term := campaign(t, l)
	f := clusterOf(2, 1)
	if err := term.Record(t.Context(), reconciler.Facts{}, f, eventsOf(0, 2)); err != nil {
		t.Fatal(err)
	}
	f.Rollouts[0].Reason = noise(2 << 20)
	if err := term.Record(t.Context(), f, f, eventsOf(2, 1)); err != nil {
		t.Fatal(err) // the very same slice: nothing differs
	}
	broken := clusterOf(2, 1)
	broken.Rollouts[0].Reason = noise(32 << 20)
	if err := term.Record(t.Context(), clusterOf(2, 1), broken, eventsOf(3, 1)); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("got %v", err)
	}
	got, err := l.Events(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(eventsOf(0, 3), got); d != "" {
		t.Error(d)
	}
}

func TestTokens_AdmitOnce(t *testing.T) {
	l := open(t, t.TempDir())
	token := Token{Created: epochStart, Expires: epochStart.Add(time.Hour), Actor: "ann"}
	for _, hash := range []string{"used", "expired"} {
		if err := l.PutToken(t.Context(), hash, token); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.PutToken(t.Context(), "used", token); !errors.Is(err, ErrTokenExists) {
		t.Errorf("twice: %v", err)
	}
	soon, late := epochStart.Add(time.Minute), epochStart.Add(2*time.Hour)
	for _, c := range []struct {
		hash string
		now  time.Time
		want error
	}{{"none", soon, ErrTokenUnknown}, {"used", soon, nil}, {"used", soon, ErrTokenUsed}, {"used", late, ErrTokenUsed}, {"expired", late, ErrTokenExpired}} {
		if err := l.TakeToken(t.Context(), c.hash, c.now); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.hash, err, c.want)
		}
	}
}

func TestTokens_OneOfManyGetsIt(t *testing.T) {
	l := open(t, t.TempDir())
	campaign(t, l)
	if err := l.PutToken(t.Context(), "a", Token{Created: epochStart, Expires: epochStart.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	var taken atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			err := l.TakeToken(t.Context(), "a", epochStart)
			if err == nil {
				taken.Add(1)
			} else if !errors.Is(err, ErrTokenUsed) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := taken.Load(); n != 1 {
		t.Errorf("taken %d times", n)
	}
}

func TestTokens_AreForgottenAndBounded(t *testing.T) {
	l := open(t, t.TempDir())
	token, err := pack(Token{Created: epochStart, Expires: epochStart.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range MaxTokens {
		if _, err := l.kv.Put(t.Context(), l.key(tokensKey+fmt.Sprint(i)), string(token)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.PutToken(t.Context(), "more", Token{Created: epochStart, Expires: epochStart.Add(time.Hour)}); !errors.Is(err, ErrTooManyTokens) {
		t.Errorf("got %v", err)
	}
	later := epochStart.Add(time.Hour + tombstone + time.Second)
	for i := range 10 {
		if err := l.PutToken(t.Context(), fmt.Sprint("later ", i), Token{Created: later, Expires: later.Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.TakeToken(t.Context(), "later 9", later); err != nil {
		t.Error(err)
	}
	if err := l.TakeToken(t.Context(), "0", later); !errors.Is(err, ErrTokenUnknown) {
		t.Errorf("an old one: %v", err)
	}
}

func TestCluster_TheFirstStands(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	if c, ok, err := l.Cluster(t.Context()); ok || err != nil {
		t.Fatalf("got %v %v %v", c, ok, err)
	}
	first := Cluster{ID: "one", Name: "demo", CACert: []byte("cert"), CAKey: []byte("key")}
	for _, c := range []Cluster{first, {ID: "two"}} {
		got, err := l.CreateCluster(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(first, got); d != "" {
			t.Error(d)
		}
	}
	closed(t, l)
	got, ok, err := open(t, dir).Cluster(t.Context())
	if d := cmp.Diff(first, got); d != "" || !ok || err != nil {
		t.Error(d, ok, err)
	}
}
