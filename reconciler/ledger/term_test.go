package ledger

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// depose takes the lead away from a term behind its back, as an expired lease
// does.
func depose(t testing.TB, term *Term) {
	t.Helper()
	if _, err := term.l.kv.Delete(t.Context(), term.key); err != nil {
		t.Fatal(err)
	}
}

// I20: a former leader writes nothing at all.
func TestTerm_AFormerLeaderWritesNothing(t *testing.T) {
	l := open(t, t.TempDir())
	former := campaign(t, l)
	f := clusterOf(3, 2)
	if err := former.Record(t.Context(), reconciler.Facts{}, f, nil); err != nil {
		t.Fatal(err)
	}
	depose(t, former)
	present := campaign(t, l)
	was := storeRevision(t, l)
	for _, size := range []int{4, 200} { // one transaction, and a journal
		if err := former.Record(t.Context(), f, clusterOf(size, 2), nil); !errors.Is(err, ErrLostEpoch) {
			t.Errorf("%d nodes: got %v", size, err)
		}
	}
	if err := former.Append(t.Context(), []status.Event{{Kind: "node"}}); !errors.Is(err, ErrLostEpoch) {
		t.Errorf("events: got %v", err)
	}
	if now := storeRevision(t, l); now != was {
		t.Errorf("the store moved from revision %d to %d", was, now)
	}
	<-former.Lost()
	if err := present.Record(t.Context(), f, clusterOf(4, 2), nil); err != nil {
		t.Errorf("the present leader: %v", err)
	}
}

func TestTerm_AFormerLeaderTakesAndMakesNoTokens(t *testing.T) {
	l := open(t, t.TempDir())
	former := campaign(t, l)
	token := Token{Created: epochStart, Expires: epochStart.Add(time.Hour)}
	if err := l.PutToken(t.Context(), "a", token); err != nil {
		t.Fatal(err)
	}
	depose(t, former)
	if err := l.TakeToken(t.Context(), "a", epochStart); !errors.Is(err, ErrLostEpoch) {
		t.Errorf("taking: %v", err)
	}
	if err := l.PutToken(t.Context(), "b", token); !errors.Is(err, ErrLostEpoch) {
		t.Errorf("making: %v", err)
	}
	<-former.Lost()
}

func TestTerm_IsLostWithItsLease(t *testing.T) {
	l := open(t, t.TempDir())
	term := campaign(t, l)
	if _, err := l.kv.Revoke(t.Context(), term.session.Lease()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-term.Lost():
	case <-within(t, 10*time.Second).Done():
		t.Fatal("not lost")
	}
	if err := term.Append(t.Context(), []status.Event{{}}); !errors.Is(err, ErrLostEpoch) {
		t.Errorf("got %v", err)
	}
}

func TestTerm_EpochsGrow(t *testing.T) {
	dir := t.TempDir()
	last := int64(0)
	for range 3 {
		l := open(t, dir)
		for range 3 {
			term := campaign(t, l)
			if term.Epoch() <= last {
				t.Errorf("epoch %d after %d", term.Epoch(), last)
			}
			last = term.Epoch()
			term.Resign()
		}
		closed(t, l)
	}
}

// I38: a store that was put back to an older state, and a clock that was put
// back, do not repeat epochs.
func TestTerm_EpochsGrowOverARestoreAndAClockSetBack(t *testing.T) {
	for name, stored := range map[string]int64{"older store": 5, "clock set back": time.Now().Unix() + 1e6} {
		l := open(t, t.TempDir())
		began := time.Now().Unix()
		if _, err := l.kv.Put(t.Context(), l.key(epochKey), strconv.FormatInt(stored, 10)); err != nil {
			t.Fatal(err)
		}
		if e := campaign(t, l).Epoch(); e <= stored || e < began {
			t.Errorf("%s: epoch %d after %d at %d", name, e, stored, began)
		}
		closed(t, l)
	}
}

func TestCampaign_WaitsForTheLeaderToGo(t *testing.T) {
	l := open(t, t.TempDir())
	first := campaign(t, l)
	if _, err := l.Campaign(within(t, 50*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	won := make(chan *Term)
	go func() {
		term, err := l.Campaign(context.Background())
		if err != nil {
			t.Error(err)
		}
		won <- term
	}()
	first.Resign()
	if second := <-won; second.Epoch() <= first.Epoch() {
		t.Errorf("epochs %d, %d", first.Epoch(), second.Epoch())
	}
}

func TestCampaign_EndsWithTheLedger(t *testing.T) {
	l := open(t, t.TempDir())
	campaign(t, l)
	failed := make(chan error)
	go func() {
		_, err := l.Campaign(context.Background())
		failed <- err
	}()
	closed(t, l)
	if err := <-failed; !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestRecord_CancelledWritesAllOrNothing(t *testing.T) {
	l := open(t, t.TempDir())
	term := campaign(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := clusterOf(3, 2)
	if err := term.Record(ctx, reconciler.Facts{}, f, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if err := term.Record(t.Context(), reconciler.Facts{}, f, nil); err != nil {
		t.Fatal(err)
	}
	if d := differ(f, facts(t, l)); d != "" {
		t.Error(d)
	}
}

func TestOpen_ASecondServerIsToldAtOnce(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	began := time.Now()
	_, err := Open(t.Context(), Config{Dir: dir, Log: quiet()})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "pid "+strconv.Itoa(os.Getpid())) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %s", took)
	}
}

func TestOpen_NeitherFolderNorCluster(t *testing.T) {
	if _, err := Open(t.Context(), Config{}); err == nil || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("got %v", err)
	}
}

func TestOpen_FolderThatCannotBeMade(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Dir: file + "/dir"}); err == nil || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("got %v", err)
	}
}

func TestOpen_Cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if l, err := Open(ctx, Config{Dir: t.TempDir(), Log: quiet()}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v %v", l, err)
	}
}

func TestOpen_LongPath(t *testing.T) {
	dir := t.TempDir() + "/" + strings.Repeat("long/", 40)
	l := open(t, dir)
	campaign(t, l)
}

func TestClose_EndsEveryCall(t *testing.T) {
	l := open(t, t.TempDir())
	term := campaign(t, l)
	closed(t, l)
	closed(t, l)
	<-term.Lost()
	<-l.Done()
	_, factsErr := l.Facts(t.Context())
	_, eventsErr := l.Events(t.Context(), 1)
	_, _, clusterErr := l.Cluster(t.Context())
	_, campaignErr := l.Campaign(t.Context())
	for _, err := range []error{factsErr, eventsErr, clusterErr, campaignErr, l.Err()} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
	if err := term.Append(t.Context(), []status.Event{{}}); !errors.Is(err, ErrClosed) {
		t.Errorf("append: %v", err)
	}
}
