package serve

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
)

// maxFollowed bounds how many containers one call reads from at once.
const maxFollowed = 100

// retryAfter is how long a log that broke (its node left) is left alone.
const retryAfter = 5 * time.Second

// follower keeps one log stream open for every instance of its target, and
// opens more as the status shows more. Its fields belong to its run's goroutine.
type follower struct {
	s       *server
	target  target
	request *controlpb.LogsRequest
	sink    *logSink

	lives map[string]*life
	open  int
	ended chan ended
	wg    sync.WaitGroup
}

// life is what is known of one instance's log.
type life struct {
	open bool
	// started is the container's life that was read last.
	started time.Time
	// options are what it is read with, now or the next time.
	options agent.LogOptions
	// failed is when reading it broke; zero if it ended well.
	failed time.Time
	said   string
}

// ended is a log that is open no more; some is whether any of it came.
type ended struct {
	key  string
	some bool
	err  error
}

// follow returns when ctx ends, the reader goes, or the workload is gone and
// its last container's log with it.
// The stream's header goes at once, however silent the containers are.
func (s *server) follow(ctx context.Context, t target, r *controlpb.LogsRequest, sink *logSink) error {
	if err := sink.send(nil); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	f := &follower{s: s, target: t, request: r, sink: sink, lives: map[string]*life{}, ended: make(chan ended)}
	defer f.wg.Wait()
	defer stop()
	first := logOptions(r, time.Now())
	for {
		st, newer := s.Cluster.Status()
		f.look(ctx, t.instances(st), first)
		if f.open == 0 && byName(st, t.workload) == nil {
			return nil
		}
		first = agent.LogOptions{Follow: true, Tail: -1, Timestamps: r.Timestamps}
		if err := f.wait(ctx, newer); err != nil {
			return err
		}
	}
}

// look opens the log of each instance that has one to read and none open; one
// seen for the first time is read with o.
func (f *follower) look(ctx context.Context, all []instance, o agent.LogOptions) {
	present := map[string]bool{}
	for _, in := range all {
		present[in.key()] = true
		if in.slot.Container == "" || in.slot.Started.IsZero() {
			continue
		}
		l, known := f.lives[in.key()]
		if !known {
			l = &life{options: o}
			f.lives[in.key()] = l
		}
		if l.next(in.slot.Started, time.Now()) {
			f.start(ctx, in, l)
		}
	}
	for key, l := range f.lives {
		if !present[key] && !l.open {
			delete(f.lives, key)
		}
	}
}

// next is whether to read a life of the container that began at started. What
// broke is read again as it was asked for, or from where it broke; a later life
// from its beginning.
func (l *life) next(started, now time.Time) bool {
	switch {
	case l.open:
		return false
	case l.started.IsZero():
		return true
	case started.After(l.started):
		l.resume(started)
		return true
	}
	return !l.failed.IsZero() && now.Sub(l.failed) >= retryAfter
}

// resume has the log read from an instant on, whatever was asked for.
func (l *life) resume(from time.Time) { l.options.Tail, l.options.Since = -1, from }

func (f *follower) start(ctx context.Context, in instance, l *life) {
	if f.open >= maxFollowed {
		f.say(in.slot.Slot, l, errors.New("too many containers to follow at once; name a slot"))
		return
	}
	l.open, l.started, l.failed = true, in.slot.Started, time.Time{}
	f.open++
	f.wg.Go(func() {
		some, err := f.s.copyLog(ctx, in, l.options, f.sink)
		if err != nil && ctx.Err() == nil {
			f.say(in.slot.Slot, l, err)
		}
		select {
		case f.ended <- ended{in.key(), some, err}:
		case <-ctx.Done():
		}
	})
}

// say tells the reader what went wrong with a log, once for each cause. While
// the log is open its life belongs to the goroutine that reads it.
func (f *follower) say(slot string, l *life, err error) {
	if l.said != err.Error() {
		l.said = err.Error()
		f.sink.trouble(slot, err)
	}
}

// wait returns nil when there is cause to look again.
func (f *follower) wait(ctx context.Context, newer <-chan struct{}) error {
	retry := time.NewTimer(retryAfter)
	defer retry.Stop()
	select {
	case <-newer:
	case <-retry.C:
	case e := <-f.ended:
		f.close(e)
	case <-ctx.Done():
		return ctx.Err()
	}
	return f.sink.broken()
}

func (f *follower) close(e ended) {
	l := f.lives[e.key]
	l.open = false
	f.open--
	if e.err == nil {
		return
	}
	l.failed = time.Now()
	if e.some {
		l.resume(l.failed)
	}
}
