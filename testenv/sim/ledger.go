package sim

import (
	"encoding/json"
	"errors"

	"github.com/bayplan/bayplan/reconciler"
)

// ledger is the durable memory: one writer by its epoch, whole writes, and the
// ways in which a write can end.
type ledger struct {
	facts reconciler.Facts
	epoch int64
	// broken is how the next writes end; empty is well.
	broken broken
}

// broken is how a write ends that does not end well.
type broken string

const (
	unwritten  broken = "unwritten"  // it fails, and left nothing
	unanswered broken = "unanswered" // it fails, and took effect
	lostBefore broken = "crash"      // the server dies before it is written
	lostAfter  broken = "crash-sent" // the server dies after it is written, before anything follows
)

var (
	errWrite = errors.New("the ledger does not answer")
	errEpoch = errors.New("lost the epoch")
	errDied  = errors.New("the server died")
)

// record writes the facts of the server that holds the epoch.
func (l *ledger) record(epoch int64, after reconciler.Facts) error {
	if epoch != l.epoch {
		return errEpoch
	}
	switch l.broken {
	case unwritten:
		return errWrite
	case unanswered:
		l.facts = after
		return errWrite
	case lostBefore:
		l.broken = ""
		return errDied
	case lostAfter:
		l.broken = ""
		l.facts = after
		return errDied
	}
	l.facts = after
	return nil
}

// read is what a server finds that begins: the facts as they were written, in
// memory of its own.
func (l *ledger) read() (f reconciler.Facts) {
	copied(&l.facts, &f)
	f.Intern()
	return f
}

// copied is from as it is read back from disk.
func copied(from, to any) {
	b, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		panic("sim: what is kept is always JSON: " + err.Error())
	}
}
