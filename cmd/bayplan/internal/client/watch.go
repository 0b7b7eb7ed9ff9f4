package client

import (
	"cmp"
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
	// Patient waits also for a server that does not answer from the start.
	Patient bool
	// Open starts the stream anew.
	Open func(context.Context) (*connect.ServerStreamForClient[controlpb.Document], error)
	// Each gets every document; its error ends the watch.
	Each func(json []byte) error
	// Notice tells the user that the server went, and that it is back.
	Notice func(text string)
}

// Run returns when ctx ends, Each fails, or the server cannot be reached from
// the start; then its error is the call's. For a Patient one whose ctx ends
// before the server ever answered, it is the last call's too.
func (w Watcher) Run(ctx context.Context) error {
	return Reconnect{w.Patient, w.Notice}.Run(ctx, func(ctx context.Context, up func()) error {
		s, err := w.Open(ctx)
		if err != nil {
			return err
		}
		return Read(s, up, func(d *controlpb.Document) error { return w.Each(d.Json) })
	})
}

// Reconnect tries one stream again and again, across the server's restarts.
type Reconnect struct {
	// Patient waits also for a server that does not answer from the start.
	Patient bool
	// Notice tells the user that the server went, and that it is back.
	Notice func(text string)
}

// Run calls once until ctx ends or an error comes that does not pass by itself.
// once reads one stream to its end, and calls up when the server has taken it
// up.
func (r Reconnect) Run(ctx context.Context, once func(ctx context.Context, up func()) error) error {
	wait, ever, told := firstRetry, false, false
	var last error
	for {
		err := once(ctx, func() {
			wait, ever = firstRetry, true
			if told {
				r.Notice("the server is back")
				told = false
			}
		})
		switch {
		case ctx.Err() != nil && ever:
			return ctx.Err()
		case ctx.Err() != nil:
			return cmp.Or(last, err)
		case !ever && !r.Patient || !lost(err):
			return err
		}
		last = err
		if !told {
			r.Notice(missing(err, ever))
			told = true
		}
		sleep(ctx, wait)
		wait = min(2*wait, lastRetry)
	}
}

// missing tells a server that went from one that was not there.
func missing(err error, ever bool) string {
	if ever || err == nil {
		return "the server went away; waiting for it"
	}
	return Classify(err).Error() + "; waiting for it"
}

// Read reads a stream to its end and calls up once its header tells that the
// server took it up.
func Read[T any](s *connect.ServerStreamForClient[T], up func(), each func(*T) error) error {
	defer s.Close()
	if s.ResponseHeader().Get("Content-Type") != "" {
		up()
	}
	for s.Receive() {
		if err := each(s.Msg()); err != nil {
			return err
		}
	}
	return s.Err()
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
