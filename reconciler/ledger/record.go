package ledger

import (
	"context"
	"fmt"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// Record makes after the recorded facts, and appends the events, all or
// nothing. before is what the caller holds to be recorded, the result of Facts
// or of the last Record; only what differs from it is written. Both are values
// that nobody changes in place. Equal facts and no events write nothing.
//
// ErrLostEpoch says that another server leads and that nothing was written.
// After any other error the facts are those before or those after; the next
// Record looks first and then writes what it takes.
func (t *Term) Record(ctx context.Context, before, after reconciler.Facts, events []status.Event) error {
	err := t.write(ctx, func(ix *index, known *reconciler.Facts) ([]op, func(), error) {
		if known != nil {
			before = *known
		}
		d, err := deltaOf(ix, &before, &after)
		if err != nil {
			return nil, nil, err
		}
		ops, err := d.ops()
		if err != nil {
			return nil, nil, err
		}
		lines, log, err := ix.log.append(events)
		if err != nil {
			return nil, nil, err
		}
		return append(ops, lines...), func() { ix.apply(d); ix.log = log }, nil
	})
	if err != nil {
		return fmt.Errorf("recording the facts: %w", err)
	}
	return nil
}

// Append adds events to the log, which keeps the newest MaxEvents.
func (t *Term) Append(ctx context.Context, events []status.Event) error {
	err := t.write(ctx, func(ix *index, _ *reconciler.Facts) ([]op, func(), error) {
		ops, log, err := ix.log.append(events)
		return ops, func() { ix.log = log }, err
	})
	if err != nil {
		return fmt.Errorf("recording events: %w", err)
	}
	return nil
}

// write runs one change: plan tells what to write, and what to note once it is
// written. Where the store's state is not known for sure it is read first, and
// plan gets the facts as they are.
func (t *Term) write(ctx context.Context, plan func(*index, *reconciler.Facts) ([]op, func(), error)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.l.do(ctx, func(ctx context.Context) error {
		if err := t.stands(); err != nil {
			return err
		}
		known, err := t.known(ctx)
		if err != nil {
			return err
		}
		ops, written, err := plan(t.ix, known)
		if err != nil || len(ops) == 0 {
			return err
		}
		if err := t.commit(ctx, ops); err != nil {
			t.ix = nil // some of it may be there
			return err
		}
		written()
		return nil
	})
}

// stands spares a lost term, or a full disk, the work that comes before the
// write.
func (t *Term) stands() error {
	select {
	case <-t.lost:
		return ErrLostEpoch
	default:
		return t.l.room()
	}
}

// known reads what is stored if this term does not know it, and finishes what a
// former one left half done.
func (t *Term) known(ctx context.Context) (*reconciler.Facts, error) {
	if t.ix != nil {
		return nil, nil
	}
	if err := t.settleMark(ctx); err != nil {
		return nil, err
	}
	s, err := t.l.load(ctx)
	if err != nil {
		return nil, err
	}
	if err := t.finish(ctx, s); err != nil {
		return nil, err
	}
	facts, ix, err := s.decode()
	if err != nil {
		return nil, err
	}
	if ix.log, err = t.l.readLog(ctx); err != nil {
		return nil, err
	}
	t.ix = ix
	return &facts, nil
}
