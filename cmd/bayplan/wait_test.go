package main

import (
	"context"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
)

// A server that never said anything was not reached, whether nobody is there or
// it was too slow; one that did is a wait that took too long.
func TestLate_TellsWhetherTheServerWasReached(t *testing.T) {
	v := &statusVerb{timeout: time.Minute, revision: "abcd"}
	for _, c := range []struct {
		err     error
		reached bool
		code    exit.Code
		text    string
	}{
		{connect.NewError(connect.CodeDeadlineExceeded, context.DeadlineExceeded), false, exit.Unreachable, "after 1m0s the server did not answer in time\n  next: bayplan doctor"},
		{context.DeadlineExceeded, false, exit.Unreachable, "after 1m0s it took too long\n  next: bayplan doctor"},
		{context.DeadlineExceeded, true, exit.Timeout, "after 1m0s the server has not seen abcd yet\n  next: bayplan status"},
	} {
		err := v.late(c.err, c.reached, sighting{})
		if exit.CodeOf(err) != c.code || exit.Text(err) != c.text {
			t.Errorf("%v: code %d, %q", c.err, exit.CodeOf(err), exit.Text(err))
		}
	}
}
