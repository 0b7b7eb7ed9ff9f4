package images

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// attempts of one request, all sources together counting once: enough for a
	// registry that restarts; what is down for longer is the agent's to retry.
	attempts = 4
	// firstPause doubles from one attempt to the next: the longest is 1.5 s.
	firstPause = 250 * time.Millisecond
	// stallsBorne: one that hangs twice hangs.
	stallsBorne = 2
)

// try asks the sources in turn until one gives what is wanted. One that refuses
// for good is not asked again; the last, the registry itself, is believed about
// why. Fn says whether it came nearer to its end, which earns another attempt.
func (p *pull) try(ctx context.Context, fn func(context.Context, *source) (nearer bool, err error)) error {
	left, stalls := slices.Clone(p.sources), 0
	var last error
	for round := 1; ; round++ {
		for _, o := range slices.Clone(left) {
			nearer, err := fn(ctx, o)
			if err == nil {
				return nil
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if isLocal(err) {
				return err
			}
			p.s.cfg.Log.Debug("pull", "image", p.ref.given, "registry", o.String(), "err", err)
			if hangs(err) {
				stalls++
			} else if nearer {
				round = 1
			}
			if !again(err) {
				left = slices.DeleteFunc(left, func(x *source) bool { return x == o })
			}
			if last == nil || o == p.sources[len(p.sources)-1] {
				last = err
			}
		}
		if len(left) == 0 || round >= attempts || stalls >= stallsBorne {
			return last
		}
		if err := pause(ctx, p.s.pause<<(round-1)); err != nil {
			return err
		}
	}
}

// pause is never the same for two nodes.
func pause(ctx context.Context, wait time.Duration) error {
	t := time.NewTimer(wait/2 + rand.N(wait))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
