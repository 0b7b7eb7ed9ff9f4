package agent

import (
	"sync"
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// Fetcher is what a [Runtime] may have beside containers: it tells how far a Pull
// is.
type Fetcher interface {
	// Fetched is about the Pull of that image that is under way; false is that
	// there is none, or that it has nothing to tell yet.
	Fetched(image string) (nodes.Fetched, bool)
}

// Fetched is how far the pull of an image or an artifact is.
type Fetched struct {
	Image string
	nodes.Fetched
}

// tellPullEvery is often enough for somebody who waits, and seldom enough for a
// server with many nodes that pull.
const tellPullEvery = 2 * time.Second

// followPull tells how far a pull is until it is stopped.
func (a *Agent) followPull(image string) (stop func()) {
	r, ok := a.cfg.Runtime.(Fetcher)
	if !ok {
		return func() {}
	}
	var following sync.WaitGroup
	done := make(chan struct{})
	following.Go(func() {
		tick := time.NewTicker(tellPullEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if f, ok := r.Fetched(image); ok {
				a.enter(Input{Fetched: []Fetched{{image, f}}})
			}
		}
	})
	return func() { close(done); following.Wait() }
}
