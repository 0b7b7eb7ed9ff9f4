//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/cgroup"
)

// listen makes the socket. It is addressed through the folder's descriptor, as a
// socket's path may have only 107 bytes.
func listen(folder string) (*net.UnixListener, error) {
	dir, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	if err := os.Remove(filepath.Join(folder, socketFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	addr := &net.UnixAddr{Net: "unix", Name: fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), socketFile)}
	l, err := net.ListenUnix("unix", addr)
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // the name is another file's by then
	return l, os.Chmod(filepath.Join(folder, socketFile), 0o600)
}

// serve answers until the container has ended.
func (m *monitor) serve() {
	for {
		c, err := m.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors: those who talk will end some time
			time.Sleep(100 * time.Millisecond)
			continue
		}
		m.talks.Go(func() {
			defer c.Close()
			m.answer(c)
		})
	}
}

// requestTime is how long a request may take to arrive.
const requestTime = 10 * time.Second

func (m *monitor) answer(c *net.UnixConn) {
	r := bufio.NewReaderSize(c, 4096)
	_ = c.SetReadDeadline(time.Now().Add(requestTime))
	line, err := r.ReadBytes('\n')
	if err != nil {
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	var ask bundle.Request
	if json.Unmarshal(line, &ask) != nil {
		return
	}
	switch ask.Op {
	case bundle.OpWait:
		m.tellExit(c)
	case bundle.OpStop:
		m.stop(ask.Signal, ask.Grace)
		m.tellExit(c)
	case bundle.OpExec:
		if ask.Exec != nil {
			m.exec(c, r, ask.Exec)
		}
	case bundle.OpOutput:
		m.tellOutput(c)
	case bundle.OpLease:
		m.tellLease(c, ask.Lease)
	}
}

// tellExit waits for the end.
func (m *monitor) tellExit(c net.Conn) {
	<-m.ended
	_ = c.SetWriteDeadline(time.Now().Add(requestTime))
	_ = json.NewEncoder(c).Encode(m.exit)
}

func (m *monitor) tellOutput(c net.Conn) {
	l := m.output.listen()
	defer m.output.leave(l)
	if bundle.WriteFrames(c, bundle.FrameStdout, nil) != nil {
		return
	}
	for chunk := range l.chunks {
		_ = c.SetWriteDeadline(time.Now().Add(requestTime))
		if bundle.WriteFrames(c, chunk.kind, chunk.text) != nil {
			return
		}
	}
}

// stop signals the program and after the grace kills all of the container. It
// returns when the container has ended.
func (m *monitor) stop(signal string, grace time.Duration) {
	m.asked.Store(true)
	_ = m.init.Signal(number(signal))
	m.killAfter(grace)
}

// killAfter waits for the container's end, and kills all of it after the grace.
func (m *monitor) killAfter(grace time.Duration) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-m.ended:
		return
	case <-timer.C:
	}
	m.killed.Store(true)
	_ = m.init.Signal(unix.SIGKILL) // the kernel ends the others with it
	timer.Reset(killTime)
	select {
	case <-m.ended:
	case <-timer.C:
		_ = cgroup.Kill(m.cfg.Cgroup)
		<-m.ended
	}
}

// killTime is how long the kernel may take for that before each process is
// killed by itself.
const killTime = time.Second

// number is a signal by its name, with or without SIG; what is none is SIGTERM.
func number(name string) syscall.Signal {
	name = strings.ToUpper(name)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if s := unix.SignalNum(name); s != 0 {
		return s
	}
	return unix.SIGTERM
}
