package agent

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// TestClock_WhatIsKeptIsOnTheMachinesClock: the next process begins with it.
func TestClock_WhatIsKeptIsOnTheMachinesClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		kept := []Memory{{ID: "a", Life: c.began, Since: c.began, Failure: &nodes.Failure{At: c.began}}}
		shown := kept[0].Failure
		if got := c.onDisk(kept); !got[0].Since.Equal(c.began) {
			t.Errorf("moved to %v by a clock that nobody set", got[0].Since)
		}
		c.wall = func() time.Time { return time.Now().Add(time.Hour) }
		got := c.onDisk(kept)[0]
		want := c.began.Add(time.Hour)
		if !got.Since.Equal(want) || !got.Failure.At.Equal(want) || !got.Life.Equal(c.began) || !got.Next.IsZero() {
			t.Errorf("kept %+v, failure %+v", got, got.Failure)
		}
		if !shown.At.Equal(c.began) {
			t.Error("what is shown was moved too")
		}
	})
}
