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

// try asks the sources in turn until one gives what is wanted, and in rounds
// where asking again may help. The registry itself is believed about why not. Fn
// says whether it came nearer to its end, which earns another attempt.
func (p *pull) try(ctx context.Context, fn func(context.Context, *source) (nearer bool, err error)) error {
	stalls := 0
	for round := 1; ; round++ {
		var err error
		for _, o := range p.asked() {
			var nearer bool
			if nearer, err = fn(ctx, o); err == nil {
				return nil
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if isLocal(err) {
				return err
			}
			p.s.cfg.Log.Debug("pull", "image", p.ref.given, "registry", o.String(), "err", err)
			p.distrust(o)
			if hangs(err) {
				stalls++
			} else if nearer {
				round = 1
			}
		}
		if !again(err) || round >= attempts || stalls >= stallsBorne {
			return err
		}
		if err := pause(ctx, p.s.pause<<(round-1)); err != nil {
			return err
		}
	}
}

// asked are the mirrors that have not failed in this pull, and the registry,
// last.
func (p *pull) asked() []*source {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.sources)
}

// distrust drops a mirror for the rest of the pull: one that hangs must not
// hold up each layer anew. What was fetched from it is gone on with elsewhere.
func (p *pull) distrust(o *source) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.sources, o); i >= 0 && i < len(p.sources)-1 {
		p.sources = slices.Delete(p.sources, i, i+1)
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
