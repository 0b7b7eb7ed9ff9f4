package native

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/fsnotify/fsnotify"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native/logs"
)

// Logs copies the log of a container that is there, running or ended.
func (r *Runtime) Logs(ctx context.Context, id string, o agent.LogOptions, w io.Writer) error {
	return explain("logs of "+id, r.copyLogs(ctx, id, o, w))
}

func (r *Runtime) copyLogs(ctx context.Context, id string, o agent.LogOptions, w io.Writer) error {
	b, err := r.box(ctx, id)
	if err != nil {
		return err
	}
	if b == nil || !b.exists() {
		return errNoContainer
	}
	dir := filepath.Join(b.dir, logDir)
	options := logs.Options{Follow: o.Follow, Tail: o.Tail, Since: o.Since, Timestamps: o.Timestamps}
	if !o.Follow {
		return logs.Read(ctx, dir, options, w, nil)
	}
	more, stop, err := r.outputs.follow(dir)
	if err != nil {
		return err
	}
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends whileRunning, whatever ended the reading
	return logs.Read(ctx, dir, options, w, r.whileRunning(ctx, b, more))
}

// whileRunning passes more on until the container does not run any more.
func (r *Runtime) whileRunning(ctx context.Context, b *box, more <-chan struct{}) <-chan struct{} {
	out := make(chan struct{}, 1)
	watch := b.running()
	if watch == nil {
		close(out)
		return out
	}
	r.minding.Go(func() {
		defer close(out)
		for {
			select {
			case <-more:
				poke(out)
			case <-watch.ended:
				return
			case <-ctx.Done():
				return
			case <-r.ctx.Done():
				return
			}
		}
	})
	return out
}

// outputs tells followers that a log grew. All share one watch of the kernel's,
// of which a user may have few.
type outputs struct {
	log *slog.Logger

	mu      sync.Mutex
	watcher *fsnotify.Watcher // nil before the first follower
	done    chan struct{}
	closed  bool
	readers map[string]map[chan struct{}]bool // by folder
}

// follow yields whenever something is written in the folder, until stop.
func (o *outputs) follow(dir string) (more <-chan struct{}, stop func(), err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.begin(); err != nil {
		return nil, nil, err
	}
	if len(o.readers[dir]) == 0 {
		if err := o.watcher.Add(dir); err != nil {
			return nil, nil, err
		}
		o.readers[dir] = map[chan struct{}]bool{}
	}
	c := make(chan struct{}, 1)
	o.readers[dir][c] = true
	return c, func() { o.leave(dir, c) }, nil
}

// begin needs o.mu.
func (o *outputs) begin() error {
	if o.closed {
		return errClosed
	}
	if o.watcher != nil {
		return nil
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	o.watcher, o.done, o.readers = w, make(chan struct{}), map[string]map[chan struct{}]bool{}
	go o.run(w)
	return nil
}

func (o *outputs) leave(dir string, c chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.readers[dir], c)
	if len(o.readers[dir]) > 0 || o.closed {
		return
	}
	delete(o.readers, dir)
	if err := o.watcher.Remove(dir); err != nil && !errors.Is(err, fsnotify.ErrNonExistentWatch) {
		o.log.Debug("a log is watched on", "dir", dir, "err", err)
	}
}

func (o *outputs) run(w *fsnotify.Watcher) {
	defer close(o.done)
	for {
		select {
		case e, ok := <-w.Events:
			if !ok {
				return
			}
			o.tell(filepath.Dir(e.Name))
		case err, ok := <-w.Errors:
			if !ok {
				return
			}
			o.log.Debug("watching logs", "err", err) // words were lost
			o.tellAll()
		}
	}
}

func (o *outputs) tell(dir string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.readers[dir] {
		poke(c)
	}
}

func (o *outputs) tellAll() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, all := range o.readers {
		for c := range all {
			poke(c)
		}
	}
}

func (o *outputs) close() error {
	o.mu.Lock()
	w := o.watcher
	o.closed = true
	o.mu.Unlock()
	if w == nil {
		return nil
	}
	err := w.Close()
	<-o.done
	return err
}
