package agent

import "time"

// What a container wrote last tells why it failed better than its exit code
// does. It is read once for each end of a life, and for a check that fails ever
// more rarely.

const (
	// quotesAtOnce bounds logs being read; a failure beyond it goes without.
	quotesAtOnce = 4
	quoteTimeout = 5 * time.Second
)

// quote asks for the last lines of an instance that just failed.
func (s *step) quote(l *berth) {
	if !s.listed || l.box == nil || l.quoting || s.underway[Quote] >= quotesAtOnce {
		return
	}
	l.quoting = true
	s.underway[Quote]++
	s.act(Action{Verb: Quote, ID: l.mem.ID, Order: l.order, Status: *l.box, Timeout: quoteTimeout})
}

// quoted adds the lines to the failure of the life that they are of.
func (s *step) quoted(l *berth, r *Result) {
	l.quoting = false
	f := &l.mem.Failure
	switch {
	case r.Lines == "":
		return
	case r.Life.Equal(l.mem.Ended):
	case r.Life.Equal(l.mem.Life):
		f = &l.probe.failure
	default:
		return
	}
	if *f != nil {
		said := **f
		said.Log = r.Lines
		*f = &said
	}
}
