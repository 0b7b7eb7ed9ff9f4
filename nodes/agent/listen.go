package agent

import (
	"context"
	"slices"
	"strings"
	"time"
)

// The rhythm of looking at the engine.
const (
	// listEvery finds what no event told of.
	listEvery   = 30 * time.Second
	listTimeout = 10 * time.Second
	// listPause keeps a storm of events from becoming a storm of lists; where
	// lists are slow they take a twentieth of the time, but no pause is longer
	// than listPauseMax: what ended meanwhile is still reported as running, and
	// the server counts that as time in good health.
	listPause    = 50 * time.Millisecond
	listPauseMax = 500 * time.Millisecond
	listShare    = 20
	// An engine that does not answer is asked again after downRetry, doubling.
	downRetry    = 250 * time.Millisecond
	downRetryMax = 5 * time.Second
)

// watcher follows the engine's events. Each says only "look again".
func (a *Agent) watcher(ctx context.Context) {
	for failures := 1; ctx.Err() == nil; failures++ {
		since := time.Now()
		err := a.runtime.Watch(ctx, func(string) { poke(a.relist) })
		if ctx.Err() != nil {
			return
		}
		a.log.Debug("watching the engine ended", "err", err)
		poke(a.relist)
		if time.Since(since) > downRetryMax {
			failures = 1
		}
		pause(ctx, backoff(downRetry, downRetryMax, failures))
	}
}

// lister asks the engine what it holds: at first, when something changed, and
// now and then.
func (a *Agent) lister(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		began := time.Now()
		if a.list(ctx) {
			failures = 0
			pause(ctx, a.rest(time.Since(began)))
			a.awaitCause(ctx)
			continue
		}
		failures++
		pause(ctx, backoff(downRetry, downRetryMax, failures))
	}
}

// rest is the pause after a list that took so long. While many containers are
// being started, which tell of themselves as they end, every one of their events
// would be a list of them all: there the longest pause has to do.
func (a *Agent) rest(took time.Duration) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.cancels) >= Starts/2 {
		return listPauseMax
	}
	return min(max(listPause, listShare*took), listPauseMax)
}

func (a *Agent) awaitCause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-a.relist:
	case <-time.After(listEvery):
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// list asks once and reports whether the engine answered.
func (a *Agent) list(ctx context.Context) bool {
	ctx, cancel := context.WithTimeoutCause(ctx, listTimeout, errTimeout)
	defer cancel()
	a.mu.Lock()
	began, known := a.local.Pass(), a.engineTrouble == "" && a.asked
	a.mu.Unlock()
	items, err := a.runtime.List(ctx)
	var info Info
	if err == nil && !known {
		info, err = a.runtime.Info(ctx)
	}
	if err != nil {
		a.engineDown(ctx, err)
		return false
	}
	slices.SortFunc(items, func(x, y Status) int { return strings.Compare(x.ID, y.ID) })
	a.mu.Lock()
	defer a.mu.Unlock()
	a.engineTrouble = ""
	if !known {
		a.info, a.asked = info, true
		poke(a.durable)
		a.publish()
	}
	a.step(Input{Listing: &Listing{Began: began, Items: items}})
	a.listedOnce()
	return true
}

func (a *Agent) engineDown(ctx context.Context, err error) {
	if ctx.Err() != nil && context.Cause(ctx) != errTimeout {
		return // the agent ends
	}
	text := "the engine does not answer: " + err.Error()
	if context.Cause(ctx) == errTimeout {
		text = "the engine does not answer: no list within " + listTimeout.String()
	}
	if a.noteDown(text) {
		a.log.Warn(text)
	}
}

// noteDown is whether that is news.
func (a *Agent) noteDown(text string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	news := a.engineTrouble == ""
	if news {
		a.engineTrouble = text
		a.publish()
	}
	a.step(Input{EngineDown: true})
	a.listedOnce()
	return news
}

// listedOnce lets the Uplink begin; mu is held.
func (a *Agent) listedOnce() {
	select {
	case <-a.first:
	default:
		close(a.first)
	}
}
