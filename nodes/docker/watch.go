package docker

import (
	"context"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

// overlap is how far back the subscription reaches: the Engine answers a little
// before it listens, and replays what it still knows.
const overlap = 2 * time.Second

// telling are the events that change a Status. Exec, attach and such are noise.
var telling = map[events.Action]bool{
	events.ActionCreate: true, events.ActionStart: true, events.ActionDie: true, events.ActionOOM: true,
	events.ActionPause: true, events.ActionUnPause: true, events.ActionDestroy: true, events.ActionRename: true,
}

// Watch subscribes first and then says that anything may have changed, so that
// nothing falls between the caller's List and the first event.
func (r *Runtime) Watch(ctx context.Context, changed func(id string)) error {
	err := r.attended(ctx, func(ctx context.Context) error { return r.watch(ctx, changed) })
	return r.explain("watching the engine", err)
}

func (r *Runtime) watch(ctx context.Context, changed func(id string)) error {
	ctx, cancel := context.WithCancel(ctx)
	stream := r.api.Events(ctx, client.EventsListOptions{
		Since:   unix(time.Now().Add(-overlap)),
		Filters: r.mine().Add("type", string(events.ContainerEventType)),
	})
	defer func() {
		cancel()
		for range stream.Err { // until the stream has ended
		}
	}()
	select {
	case err := <-stream.Err:
		return err
	default:
	}
	r.seen.follow(true)
	defer r.seen.follow(false)
	changed("")
	for {
		select {
		case e := <-stream.Messages:
			if telling[e.Action] {
				r.seen.changed(e.Actor.ID)
				changed(e.Actor.Attributes[labelID])
			}
		case err := <-stream.Err:
			return err
		}
	}
}

// unix is the API's form of an instant.
func unix(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMicro())/1e6, 'f', 6, 64)
}
