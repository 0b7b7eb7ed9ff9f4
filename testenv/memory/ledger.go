package memory

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/loop"
	"github.com/bayplan/bayplan/reconciler/status"
)

// Ledger keeps facts as the JSON that a real one would write, so that nothing
// survives a restart that is not recorded. It is a loop.Ledger.
type Ledger struct {
	// Lead is what a campaign waits for: shut while another server leads.
	Lead Gate

	mu     sync.Mutex
	facts  []byte
	events []status.Event
	epoch  int64
	leader *term
	fault  error
	writes int
}

// ErrLostEpoch is a write of a former leader.
var ErrLostEpoch = errors.New("lost the epoch")

type term struct {
	l     *Ledger
	epoch int64
	lost  chan struct{}
	once  sync.Once
}

// Campaign makes the caller leader once Lead is open; the leader before it is
// deposed.
func (l *Ledger) Campaign(ctx context.Context) (loop.Term, error) {
	if err := l.Lead.pass(ctx); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leader != nil {
		l.leader.end()
	}
	l.epoch++
	l.leader = &term{l: l, epoch: l.epoch, lost: make(chan struct{})}
	return l.leader, nil
}

// Depose ends the present leader's term, as when its lease ran out.
func (l *Ledger) Depose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leader != nil {
		l.leader.end()
		l.leader = nil
	}
}

// Facts are those recorded last.
func (l *Ledger) Facts(context.Context) (f reconciler.Facts, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.facts != nil {
		err = json.Unmarshal(l.facts, &f)
	}
	return f, err
}

// Events are the newest ones.
func (l *Ledger) Events(_ context.Context, last int) ([]status.Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]status.Event(nil), l.events[max(0, len(l.events)-last):]...), nil
}

// Fail makes every write fail with err until it is nil again.
func (l *Ledger) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = err
}

// Writes is how many were made.
func (l *Ledger) Writes() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.writes
}

func (t *term) Epoch() int64          { return t.epoch }
func (t *term) Lost() <-chan struct{} { return t.lost }
func (t *term) end()                  { t.once.Do(func() { close(t.lost) }) }

// Record replaces the facts, if the term still leads.
func (t *term) Record(_ context.Context, _, after reconciler.Facts, events []status.Event) error {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	if t.l.leader != t {
		return ErrLostEpoch
	}
	if t.l.fault != nil {
		return t.l.fault
	}
	b, err := json.Marshal(after)
	if err != nil {
		return err
	}
	t.l.facts, t.l.events = b, append(t.l.events, events...)
	t.l.writes++
	return nil
}
