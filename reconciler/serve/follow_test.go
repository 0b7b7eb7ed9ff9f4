package serve

import (
	"errors"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes/agent"
)

// A log that broke before any of it came is read again as it was asked for;
// after that from where it broke; another life of the container from its
// beginning.
func TestLife_WhatIsReadNext(t *testing.T) {
	began := time.Now().Add(-time.Hour)
	asked := agent.LogOptions{Follow: true, Tail: 3, Since: began.Add(-time.Hour), Timestamps: true}
	for name, c := range map[string]struct {
		end     ended
		started time.Time
		reads   bool
		options func(l *life) agent.LogOptions
	}{
		"nothing came": {ended{err: errors.New("the node is away")}, began, true, func(*life) agent.LogOptions { return asked }},
		"some came": {ended{some: true, err: errors.New("it broke off")}, began, true, func(l *life) agent.LogOptions {
			return agent.LogOptions{Follow: true, Tail: -1, Since: l.failed, Timestamps: true}
		}},
		"it ended": {ended{some: true}, began, false, func(*life) agent.LogOptions { return asked }},
		"another life": {ended{some: true}, began.Add(time.Minute), true, func(*life) agent.LogOptions {
			return agent.LogOptions{Follow: true, Tail: -1, Since: began.Add(time.Minute), Timestamps: true}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := &life{open: true, started: began, options: asked}
			f := &follower{lives: map[string]*life{"": l}, open: 1}
			f.close(c.end)
			if c.end.err != nil && l.next(c.started, l.failed.Add(retryAfter-1)) {
				t.Error("it is not left alone")
			}
			if got := l.next(c.started, time.Now().Add(retryAfter)); got != c.reads {
				t.Errorf("read again: %v", got)
			}
			if want := c.options(l); l.options != want {
				t.Errorf("got %+v, want %+v", l.options, want)
			}
		})
	}
}
