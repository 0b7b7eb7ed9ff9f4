package native

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/cgroup"
)

// Stop asks the monitor to end the program.
func (r *Runtime) Stop(ctx context.Context, id, signal string, grace time.Duration) error {
	return explain("stopping "+id, r.stop(ctx, id, signal, grace))
}

func (r *Runtime) stop(ctx context.Context, id, signal string, grace time.Duration) error {
	if signal == "" {
		signal = "SIGTERM"
	}
	if unix.SignalNum(signal) == 0 {
		return fmt.Errorf("there is no signal %q", signal)
	}
	b, err := r.box(ctx, id)
	if b == nil || err != nil {
		return err
	}
	if err := b.take(ctx); err != nil { // a start that is under way comes first
		return err
	}
	w := b.running()
	b.give()
	if w == nil {
		return nil
	}
	return r.end(ctx, b, w, bundle.Request{Op: bundle.OpStop, Signal: signal, Grace: grace})
}

// partWithin is how long a monitor that takes no more requests may need to end:
// its program has ended already.
const partWithin = 3 * time.Second

// end returns once the monitor has ended, and the program with it. A monitor
// that does not do as it is told is ended itself.
func (r *Runtime) end(ctx context.Context, b *box, w *watch, q bundle.Request) error {
	within := q.Grace + r.cfg.Slack
	conn, err := r.ask(ctx, b, q)
	switch {
	case err == nil:
		defer conn.Close()
		r.step("asked")
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		within = min(partWithin, r.cfg.Slack)
	default: // that is our own trouble, and none of the container's
		return err
	}
	if ended, err := w.endsWithin(ctx, within); ended || err != nil {
		return err
	}
	r.cfg.Log.Warn("a monitor does not answer and is ended with its container", "container", b.id, "err", err)
	if err := errors.Join(cgroup.Kill(r.names.cgroup(b.folder)), w.kill()); err != nil {
		return err
	}
	_, err = w.endsWithin(ctx, forever)
	return err
}

const forever = time.Duration(math.MaxInt64)

// endsWithin is false when the time was over first.
func (w *watch) endsWithin(ctx context.Context, limit time.Duration) (bool, error) {
	over := time.NewTimer(limit)
	defer over.Stop()
	select {
	case <-w.ended:
		return true, nil
	case <-over.C:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// ask connects to the monitor and writes the request. The path goes by the
// folder's descriptor, since a socket's path must be short.
func (r *Runtime) ask(ctx context.Context, b *box, q bundle.Request) (*net.UnixConn, error) {
	dir, err := os.Open(b.dir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	path := filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), socketFile)
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("the monitor's socket: %w", err)
	}
	if err := json.NewEncoder(conn).Encode(q); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn.(*net.UnixConn), nil
}

// Remove deletes an ended container, its layer and its log, and no volume.
func (r *Runtime) Remove(ctx context.Context, id string) error {
	return explain("removing "+id, r.remove(ctx, id))
}

func (r *Runtime) remove(ctx context.Context, id string) error {
	b, err := r.box(ctx, id)
	if b == nil || err != nil {
		return err
	}
	if err := b.take(ctx); err != nil {
		return err
	}
	defer b.give()
	if !r.current(b) || !b.exists() {
		return nil
	}
	if b.running() != nil {
		return errRunning
	}
	if busy, err := locked(b.dir); busy || err != nil {
		return errors.Join(errRunning, err)
	}
	if err := r.clearCgroup(b); err != nil {
		return err
	}
	r.detach(b)
	r.step("cleared")
	gone, err := r.names.drop(b.folder)
	if err != nil {
		return err
	}
	r.step("dropped")
	r.mu.Lock()
	delete(r.boxes, id)
	r.mu.Unlock()
	r.told.changed(id)
	r.clear(gone)
	return nil
}
