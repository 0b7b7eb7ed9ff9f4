package client

import (
	"context"
	"time"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
)

// How long a watcher waits before it asks a lost server again: at first no
// longer than a server takes to restart, then no busier than a person retries.
const (
	firstRetry = 200 * time.Millisecond
	lastRetry  = 3 * time.Second
)

// Watcher reads one stream of documents and outlives the server's restarts.
type Watcher struct {
	// Open starts the stream anew.
	Open func(context.Context) (*connect.ServerStreamForClient[controlpb.Document], error)
	// Each gets every document; its error ends the watch.
	Each func(json []byte) error
	// Notice tells the user that the server went, and that it is back.
	Notice func(text string)
}

// Run returns when ctx ends, Each fails, or the server cannot be reached from
// the start; then its error is the call's.
func (w Watcher) Run(ctx context.Context) error {
	wait, worked, told := firstRetry, false, false
	for {
		got, err := w.once(ctx, func() {
			if told {
				w.Notice("the server is back")
				told = false
			}
		})
		worked = worked || got
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !worked || !lost(err) {
			return err
		}
		if got {
			wait = firstRetry
		}
		if !told {
			w.Notice("the server went away; waiting for it")
			told = true
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, lastRetry)
	}
}

// once reads one stream to its end; got is whether the server took it up, which
// its header tells.
func (w Watcher) once(ctx context.Context, first func()) (got bool, err error) {
	s, err := w.Open(ctx)
	if err != nil {
		return false, err
	}
	defer s.Close()
	if got = s.ResponseHeader().Get("Content-Type") != ""; got {
		first()
	}
	for s.Receive() {
		if err := w.Each(s.Msg().Json); err != nil {
			return got, err
		}
	}
	return got, s.Err()
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
