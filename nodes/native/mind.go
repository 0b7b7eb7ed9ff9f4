package native

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/cgroup"
)

// watch is a monitor at work.
type watch struct {
	// pidfd is the process itself, whatever becomes of its pid.
	pidfd *os.File
	// ended is closed once the monitor has ended and its box knows how.
	ended chan struct{}
}

// errEnded is a process that is not there any more.
var errEnded = errors.New("the process has ended")

// boot is the kernel's word for this run of the machine.
var boot = sync.OnceValue(func() string {
	b, _ := os.ReadFile(bundle.BootFile)
	return strings.TrimSpace(string(b))
})

// hold opens a process by its pid, and makes sure that it is the one that is
// meant and not a later one of that pid.
func hold(p bundle.Process) (*watch, error) {
	if p.Pid <= 1 {
		return nil, errEnded
	}
	fd, err := unix.PidfdOpen(p.Pid, unix.PIDFD_NONBLOCK)
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return nil, fmt.Errorf("process %d: %w", p.Pid, err)
	}
	if err != nil {
		return nil, errEnded
	}
	if start, err := startOf(p.Pid); err != nil || start != p.Start {
		_ = unix.Close(fd)
		return nil, errEnded
	}
	return &watch{pidfd: os.NewFile(uintptr(fd), "monitor"), ended: make(chan struct{})}, nil
}

// startOf is when a process began, in ticks since boot; that of a zombie is an
// error, since it has ended.
func startOf(pid int) (uint64, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	// The name, field 2, is in brackets and may hold anything; field 3 follows.
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	const state, start = 3 - 3, 22 - 3
	if len(fields) <= start || fields[state][0] == 'Z' || fields[state][0] == 'X' {
		return 0, errEnded
	}
	return strconv.ParseUint(string(fields[start]), 10, 64)
}

// await returns when the process has ended, or with ctx's error. It takes no
// thread.
func (w *watch) await(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = w.pidfd.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := w.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	err = raw.Read(func(fd uintptr) bool {
		ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, _ := unix.Poll(ready, 0)
		return n > 0
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// reap takes a child of ours off the table; one that is none is left alone.
func (w *watch) reap() {
	raw, err := w.pidfd.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.Waitid(unix.P_PIDFD, int(fd), nil, unix.WEXITED|unix.WNOHANG, nil)
	})
}

// kill ends the monitor itself.
func (w *watch) kill() error {
	raw, err := w.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0) })
	if err = errors.Join(err, failed); errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// mind waits for the monitor's end and finds out what became of the container.
func (r *Runtime) mind(b *box, w *watch) {
	r.minding.Go(func() {
		defer w.pidfd.Close()
		if err := w.await(r.ctx); err != nil && r.ctx.Err() == nil {
			r.cfg.Log.Error("waiting for a container's monitor", "container", b.id, "err", err)
		}
		if r.ctx.Err() != nil {
			return
		}
		w.reap()
		if r.settle(b) {
			close(w.ended)
		}
	})
}

// settle is called when no monitor is at work any more: it clears what the
// monitor did not, and puts the box at rest. It is false if Close came first.
func (r *Runtime) settle(b *box) bool {
	end := box{started: readStarted(b.dir), exit: readExit(b.dir)}
	if end.unsettled() {
		if !r.bury(b) {
			return false
		}
		end.exit = r.lost(b, end.started)
	}
	r.detach(b)
	b.mu.Lock()
	b.started, b.exit, b.watch = end.started, end.exit, nil
	b.mu.Unlock()
	r.told.changed(b.id)
	return true
}

// buryAgain is the pause after a kernel did not let a group go.
const buryAgain = 5 * time.Second

// bury ends what a killed monitor left running. A container counts as ended only
// once that is true, however long it takes; false is that Close came first.
func (r *Runtime) bury(b *box) bool {
	for {
		err := cgroup.Clear(r.names.cgroup(b.folder))
		if err == nil {
			return true
		}
		r.cfg.Log.Error("what a killed monitor left does not end", "container", b.id, "err", err)
		select {
		case <-r.ctx.Done():
			return false
		case <-time.After(buryAgain):
		}
	}
}

// lost writes down that nobody saw how a life ended, so that it is told the same
// from now on.
func (r *Runtime) lost(b *box, started *bundle.Started) *bundle.Exit {
	const killed = 128 + int(unix.SIGKILL)
	exit := &bundle.Exit{Life: started.Life, At: time.Now(), Code: killed, Lost: true}
	if err := writeJSON(b.dir, exitFile, exit); err != nil {
		r.cfg.Log.Warn("noting a container's end", "container", b.id, "err", err)
	}
	r.cfg.Log.Warn("a container's monitor was killed", "container", b.id)
	return exit
}

// detachWithin bounds the clearing of a network, which nobody waits for.
const detachWithin = 10 * time.Second

// detach gives the container's address and ports back. What fails is swept
// later.
func (r *Runtime) detach(b *box) {
	if r.cfg.Network == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), detachWithin)
	defer cancel()
	if err := r.cfg.Network.Detach(ctx, b.folder); err != nil {
		r.cfg.Log.Warn("taking a container off the bridge", "container", b.id, "err", err)
	}
}

// holdChild is hold for a process that this one started and has not reaped.
func holdChild(p *os.Process) (*watch, error) {
	fd, err := unix.PidfdOpen(p.Pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("monitor %d: %w", p.Pid, err)
	}
	_ = p.Release() // it is reaped by the pidfd
	return &watch{pidfd: os.NewFile(uintptr(fd), "monitor"), ended: make(chan struct{})}, nil
}
