package docker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/moby/moby/client"
)

// errHangs is the end of a call to an Engine that does not answer a ping.
var errHangs = errors.New("the engine hangs: it took the connection and does not answer")

// attended makes a call, and pings the Engine for as long as it takes. A call
// that is done at once costs no ping.
func (r *Runtime) attended(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var pulse sync.WaitGroup
	pulse.Go(func() { r.feelPulse(ctx, cancel) })
	err := call(ctx)
	if err != nil && ctx.Err() != nil {
		// What a broken stream says depends on who noticed first; why it was
		// broken does not.
		err = context.Cause(ctx)
	}
	cancel(nil)
	pulse.Wait()
	return err
}

func (r *Runtime) feelPulse(ctx context.Context, cancel context.CancelCauseFunc) {
	wait := time.NewTicker(r.cfg.Patience)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		if r.silent(ctx) {
			cancel(errHangs)
			return
		}
	}
}

// silent is whether a ping met nothing but silence. A refused connection is no
// silence: the call that waits will see it for itself.
func (r *Runtime) silent(ctx context.Context) bool {
	ctx, cancel := context.WithTimeoutCause(ctx, r.cfg.Patience, errHangs)
	defer cancel()
	_, err := r.api.Ping(ctx, client.PingOptions{})
	return err != nil && errors.Is(context.Cause(ctx), errHangs)
}
