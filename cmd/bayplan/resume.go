package main

import (
	"bytes"
	"maps"
	"time"
)

// overlap is how far before the break a log that is followed is read again: the
// clocks of node, server and client may differ by as much, and no line that was
// printed is printed twice.
const overlap = time.Minute

// resumed passes on the lines of logs that are followed across breaks, each once
// as far as their times tell. It is given lines with their times and takes those
// off again, unless the user wants them.
type resumed struct {
	out   func(slot string, data []byte) error
	times bool
	// began and heard are when reading began and when something came last, by
	// this machine's clock.
	began, heard time.Time

	slots map[string]*printed
	// floor is the newest line at the last break, of whatever slot: what is
	// older of a slot that was silent so far was not wanted.
	floor time.Time
}

// printed is what was passed on of one slot.
type printed struct {
	// newest is the time of the last line, at the lines of that time.
	newest time.Time
	at     map[string]int
	// until and before are those two at the last break.
	until  time.Time
	before map[string]int
	// amid is whether a line has begun and not ended, drop whether it is an old
	// one.
	amid, drop bool
}

func newResumed(times bool, now time.Time, out func(slot string, data []byte) error) *resumed {
	return &resumed{out: out, times: times, began: now, heard: now, slots: map[string]*printed{}}
}

// restart says that the logs are read anew, and from how long before now.
func (r *resumed) restart(now time.Time) time.Duration {
	for _, p := range r.slots {
		p.until, p.before, p.amid, p.drop = p.newest, maps.Clone(p.at), false, false
		if p.newest.After(r.floor) {
			r.floor = p.newest
		}
	}
	if r.floor.IsZero() {
		return now.Sub(r.began)
	}
	return now.Sub(r.heard) + overlap
}

// take passes on what is new of a piece of a slot's log.
func (r *resumed) take(slot string, data []byte, now time.Time) error {
	r.heard = now
	p := r.slots[slot]
	if p == nil {
		p = &printed{until: r.floor, at: map[string]int{}}
		r.slots[slot] = p
	}
	var kept []byte
	for line := range bytes.Lines(data) {
		kept = append(kept, p.fresh(line, r.times)...)
	}
	return r.out(slot, kept)
}

// fresh is what to print of a line, or of a part of one.
func (p *printed) fresh(line []byte, times bool) []byte {
	text := line
	if !p.amid {
		stamp, rest, _ := bytes.Cut(line, []byte(" "))
		at, err := time.Parse(time.RFC3339Nano, string(stamp))
		if err == nil && !times {
			text = rest
		}
		p.drop = err == nil && p.old(at, string(line))
	}
	p.amid = !bytes.HasSuffix(line, []byte("\n"))
	if p.drop {
		return nil
	}
	return text
}

// old is whether a line was printed before the break; one that was not counts as
// printed from here on.
func (p *printed) old(at time.Time, line string) bool {
	if at.Before(p.until) {
		return true
	}
	if at.Equal(p.until) && p.before[line] > 0 {
		p.before[line]--
		return true
	}
	if at.After(p.newest) {
		p.newest, p.at = at, map[string]int{}
	}
	if at.Equal(p.newest) {
		p.at[line]++
	}
	return false
}
