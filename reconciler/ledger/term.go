package ledger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

const (
	leaderKey = "leader/"
	epochKey  = "epoch"
	// leaseTTL is how long a leader that went silent stands in the way of the
	// next. Its writes fail from that instant on; its nodes run on regardless.
	leaseTTL = 10 // seconds
	// resignWithin bounds giving the lease back; it ends by itself otherwise.
	resignWithin = 2 * time.Second
	// standAgain is the pause before a candidacy that expired is renewed.
	standAgain = 100 * time.Millisecond
)

// Term is one leadership, from winning the election to losing it. Its writes
// are made one at a time, in the order of the calls.
type Term struct {
	l       *Ledger
	session *concurrency.Session
	// key is the candidacy, born the revision that it was made at.
	key   string
	born  int64
	epoch int64

	lost chan struct{}
	lose func()
	// over is closed when the lease has been given back.
	over chan struct{}

	mu sync.Mutex
	// ix is what is known to be stored; nil when that must be read first.
	ix *index
	// mark is the revision that the candidacy was last written at.
	mark int64
}

// Epoch is the term's number: higher than that of every term before it.
func (t *Term) Epoch() int64 { return t.epoch }

// Lost is closed once the term has ended, or may have: decide no more.
func (t *Term) Lost() <-chan struct{} { return t.lost }

// Resign ends the term; another candidate can win at once.
func (t *Term) Resign() {
	t.lose()
	<-t.over
}

// Campaign waits until this server leads. It returns early only with an error:
// ctx's, or that of a Ledger that has ended.
func (l *Ledger) Campaign(ctx context.Context) (*Term, error) {
	var t *Term
	err := l.hold(ctx, func(ctx context.Context) (err error) {
		for {
			t, err = l.stand(ctx)
			if !errors.Is(err, ErrLostEpoch) {
				return err
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(standAgain):
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("campaigning to lead: %w", err)
	}
	return t, nil
}

// stand is one candidacy. ErrLostEpoch says that its lease ended too early.
func (l *Ledger) stand(ctx context.Context) (*Term, error) {
	if err := l.room(); err != nil {
		return nil, err
	}
	s, err := l.session(ctx)
	if err != nil {
		return nil, err
	}
	t := newTerm(l, s)
	if err := t.win(ctx); err != nil {
		t.end()
		return nil, err
	}
	if !l.adopt(t) {
		t.end()
		return nil, ErrClosed
	}
	go t.watch()
	return t, nil
}

// session is a lease that is kept alive until it is closed or the Ledger ends.
func (l *Ledger) session(ctx context.Context) (*concurrency.Session, error) {
	lease, err := l.kv.Grant(ctx, leaseTTL)
	if err != nil {
		return nil, err
	}
	return concurrency.NewSession(l.kv, concurrency.WithContext(l.ctx), concurrency.WithLease(lease.ID))
}

func newTerm(l *Ledger, s *concurrency.Session) *Term {
	t := &Term{l: l, session: s, lost: make(chan struct{}), over: make(chan struct{})}
	t.lose = sync.OnceFunc(func() { close(t.lost) })
	return t
}

// adopt registers a won term, unless the Ledger was closed meanwhile.
func (l *Ledger) adopt(t *Term) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.terms[t] = true
	l.term.Store(t)
	return true
}

// win waits for the election and takes the next epoch.
func (t *Term) win(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(t.session.Ctx(), func() { cancel(ErrLostEpoch) })()
	e := concurrency.NewElection(t.session, t.l.key("leader"))
	if err := e.Campaign(ctx, t.l.cfg.Name); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	t.key, t.born, t.mark = e.Key(), e.Rev(), e.Rev()
	return t.number(ctx)
}

// number takes the epoch: one more than the last, and no less than the clock's
// seconds, so that a store that was put back to an older state does not count
// through the same numbers again.
func (t *Term) number(ctx context.Context) error {
	key := t.l.key(epochKey)
	got, err := t.l.kv.Get(ctx, key)
	if err != nil {
		return err
	}
	last := int64(0)
	if len(got.Kvs) > 0 {
		if last, err = strconv.ParseInt(string(got.Kvs[0].Value), 10, 64); err != nil {
			return fmt.Errorf("%w: epoch: %v", ErrCorrupt, err)
		}
	}
	t.epoch = max(last+1, time.Now().Unix())
	return t.txn(ctx, clientv3.OpPut(key, strconv.FormatInt(t.epoch, 10)))
}

// leads holds while the term's candidacy stands: who won once leads until its
// key is gone.
func (t *Term) leads() clientv3.Cmp {
	return clientv3.Compare(clientv3.CreateRevision(t.key), "=", t.born)
}

// txn applies ops if the term still leads and the disk has room, all or none.
func (t *Term) txn(ctx context.Context, ops ...clientv3.Op) error {
	if err := t.l.room(); err != nil {
		return err
	}
	_, err := t.commitIf(ctx, clientv3.Compare(clientv3.ModRevision(t.key), "=", t.mark), ops)
	return err
}

// settleMark makes sure that no write that was given up (its answer never came)
// takes effect from now on: it would find another mark than it was sent with.
func (t *Term) settleMark(ctx context.Context) error {
	put := clientv3.OpPut(t.key, t.l.cfg.Name, clientv3.WithLease(t.session.Lease()))
	rev, err := t.commitIf(ctx, t.leads(), []clientv3.Op{put})
	if err == nil {
		t.mark = rev
	}
	return err
}

func (t *Term) commitIf(ctx context.Context, cond clientv3.Cmp, ops []clientv3.Op) (revision int64, err error) {
	got, err := t.l.kv.Txn(ctx).If(cond).Then(ops...).Commit()
	if err != nil {
		return 0, err
	}
	if !got.Succeeded {
		t.lose()
		return 0, ErrLostEpoch
	}
	return got.Header.Revision, nil
}

// watch ends the term with its lease, with its candidacy, or at the first write
// that was refused.
func (t *Term) watch() {
	ctx, cancel := context.WithCancel(t.l.ctx)
	var candidacy sync.WaitGroup
	candidacy.Go(func() { t.watchCandidacy(ctx) })
	select {
	case <-t.session.Done():
	case <-t.lost:
	}
	cancel()
	t.lose()
	candidacy.Wait()
	t.end()
	t.l.forget(t)
}

// watchCandidacy ends the term when its key is deleted. It has a goroutine of
// its own, since opening a watch waits for a store that answers. A watch that
// breaks off is no sign: the lease remains.
func (t *Term) watchCandidacy(ctx context.Context) {
	for got := range t.l.kv.Watch(ctx, t.key, clientv3.WithRev(t.born+1), clientv3.WithFilterPut()) {
		if len(got.Events) > 0 {
			t.lose()
			return
		}
	}
}

func (l *Ledger) forget(t *Term) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.terms, t)
}

// end gives the lease back, so that the next candidate need not wait for it.
func (t *Term) end() {
	defer close(t.over)
	t.session.Orphan()
	if err := t.l.Err(); err != nil && !errors.Is(err, ErrClosed) {
		return // a dead member takes nothing back
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.l.ctx), resignWithin)
	defer cancel()
	// Where this fails the lease expires by itself, or has already.
	_, _ = t.l.kv.Revoke(ctx, t.session.Lease())
}
