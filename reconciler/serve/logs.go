package serve

import (
	"bytes"
	"context"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
)

// Logs merges the output of the slots of a workload, or of one slot. What is
// there already comes slot by slot; with follow the slots come side by side,
// line by line, and new slots join as they appear.
func (s *server) Logs(ctx context.Context, r *connect.Request[controlpb.LogsRequest], out *connect.ServerStream[controlpb.LogChunk]) error {
	st, _ := s.Cluster.Status()
	t, err := s.find(st, r.Msg.Of)
	if err != nil {
		return err
	}
	t.container = r.Msg.Container
	sink := &logSink{out: out}
	if r.Msg.Follow {
		return s.follow(ctx, t, r.Msg, sink)
	}
	all, some := begun(t.instances(st)), false
	for _, in := range t.past(st) { // what its node has nothing of any more says nothing
		wrote, _ := s.copyLog(ctx, in, logOptions(r.Msg, time.Now()), sink)
		some = some || wrote
	}
	if len(all) == 0 && !some {
		return notNow("%s has no container yet; see `bayplan explain %s`", r.Msg.Of, firstSlot(t))
	}
	for _, in := range all {
		if _, err := s.copyLog(ctx, in, logOptions(r.Msg, time.Now()), sink); err != nil && ctx.Err() == nil {
			sink.trouble(in.slot.Slot, err)
		}
		if sink.broken() != nil {
			return sink.broken()
		}
	}
	return ctx.Err()
}

// begun are the instances that have, or had, a container that ran.
func begun(all []instance) []instance {
	var ran []instance
	for _, in := range all {
		if in.slot.Container != "" {
			ran = append(ran, in)
		}
	}
	return ran
}

func firstSlot(t target) string {
	if t.slot != "" {
		return t.slot
	}
	return t.workload + ".0"
}

func logOptions(r *controlpb.LogsRequest, now time.Time) agent.LogOptions {
	o := agent.LogOptions{Follow: r.Follow, Tail: int(r.Tail), Timestamps: r.Timestamps}
	if r.SinceSeconds > 0 {
		o.Since = now.Add(-time.Duration(r.SinceSeconds) * time.Second)
	}
	return o
}

// copyLog sends one instance's log as it comes, line by line; some is whether
// any of it came.
func (s *server) copyLog(ctx context.Context, in instance, o agent.LogOptions, sink *logSink) (some bool, err error) {
	w := &lineWriter{slot: in.slot.Slot, sink: sink}
	err = s.Consoles.Logs(ctx, in.node, in.id, o, w)
	if flushed := w.flush(); err == nil {
		err = flushed
	}
	return w.some, err
}

// logSink is the one stream that all slots write to.
type logSink struct {
	mu  sync.Mutex
	out *connect.ServerStream[controlpb.LogChunk]
	err error
}

func (k *logSink) send(c *controlpb.LogChunk) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err == nil {
		k.err = k.out.Send(c)
	}
	return k.err
}

// trouble tells the reader why a slot's log ends here; a broken stream shows at
// the next look at broken.
func (k *logSink) trouble(slot string, err error) {
	_ = k.send(&controlpb.LogChunk{Slot: slot, Error: err.Error()})
}

// broken is why the stream takes no more; nil while it does.
func (k *logSink) broken() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// maxLine is how much of an unfinished line is held back; a longer one is cut.
const maxLine = 64 << 10

// lineWriter holds an unfinished line back, so that slots meet only at the ends
// of lines.
type lineWriter struct {
	slot string
	sink *logSink
	rest []byte
	// some is whether anything was written.
	some bool
}

func (w *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	w.some = w.some || n > 0
	if i := bytes.LastIndexByte(p, '\n'); i >= 0 {
		w.rest = append(w.rest, p[:i+1]...)
		p = p[i+1:]
		if err := w.flush(); err != nil {
			return 0, err
		}
	}
	w.rest = append(w.rest, p...)
	if len(w.rest) > maxLine {
		if err := w.flush(); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func (w *lineWriter) flush() error {
	if len(w.rest) == 0 {
		return nil
	}
	err := w.sink.send(&controlpb.LogChunk{Slot: w.slot, Data: w.rest})
	w.rest = w.rest[:0]
	return err
}
