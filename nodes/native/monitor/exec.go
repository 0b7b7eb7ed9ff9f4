//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// command is a program that runs beside the container's own, for one connection.
type command struct {
	process *libcontainer.Process
	input   *os.File // nil is none; with a terminal it is that
	outputs []outlet
	tty     *os.File

	// mu is held where its pid is used and where that is given back.
	mu   sync.Mutex
	done chan struct{} // it has ended
}

// outlet is an output of a command.
type outlet struct {
	kind bundle.FrameKind
	from *os.File
}

// exec runs a command and talks for it until it has ended or nobody listens.
func (m *monitor) exec(c *net.UnixConn, r io.Reader, ask *bundle.Exec) {
	conn := &speaker{w: c}
	cmd, err := m.begin(ask)
	if err != nil {
		text, _ := json.Marshal(told(err))
		_ = conn.say(bundle.FrameTrouble, text)
		return
	}
	go func() { // ends when the connection does, which our caller closes
		cmd.hear(r, c)
		m.end(cmd)
	}()
	code := m.converse(conn, cmd)
	_ = conn.say(bundle.FrameExit, binary.BigEndian.AppendUint32(nil, uint32(code)))
}

// begin starts a command; of each series there is never more than one that is
// Single.
func (m *monitor) begin(ask *bundle.Exec) (*command, error) {
	if !ask.Single {
		return m.command(ask)
	}
	m.singleMu.Lock()
	defer m.singleMu.Unlock()
	if was := m.single[ask.Series]; was != nil {
		m.end(was)
		<-was.done
	}
	cmd, err := m.command(ask)
	if m.single == nil {
		m.single = map[string]*command{}
	}
	if m.single[ask.Series] = cmd; cmd == nil {
		delete(m.single, ask.Series)
	}
	return cmd, err
}

// speaker keeps frames whole.
type speaker struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *speaker) say(kind bundle.FrameKind, p []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bundle.WriteFrames(s.w, kind, p)
}

// command starts it.
func (m *monitor) command(ask *bundle.Exec) (*command, error) {
	cfg := m.cfg
	if ask.TTY && lookup(cfg.Env, "TERM") == "" {
		cfg.Env = append(cfg.Env[:len(cfg.Env):len(cfg.Env)], "TERM=xterm")
	}
	p, told, err := m.starter.process(ask.Args, &cfg, m.user, becomes)
	if err != nil {
		return nil, err
	}
	defer told.Close()
	cmd := &command{process: p, done: make(chan struct{})}
	theirs, err := cmd.connect(ask)
	if err == nil {
		err = m.launch(cmd, ask)
	}
	_ = closeAll(append(theirs, p.ExtraFiles[1:]...))
	if err != nil {
		cmd.close()
		return nil, err
	}
	if err := why(told, ask.Args[0]); err != nil {
		_, _ = p.Wait()
		cmd.close()
		return nil, err
	}
	return cmd, nil
}

// launch runs the process; with a terminal, that comes back over a socket.
func (m *monitor) launch(cmd *command, ask *bundle.Exec) error {
	if !ask.TTY {
		return m.container.Run(cmd.process)
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer ours.Close()
	cmd.process.ConsoleSocket = theirs
	err = m.container.Run(cmd.process)
	_ = theirs.Close()
	if err != nil {
		return err
	}
	tty, err := receive(ours)
	if err != nil {
		_ = cmd.process.Signal(unix.SIGKILL)
		_, _ = cmd.process.Wait()
		return err
	}
	cmd.tty = tty
	cmd.outputs = []outlet{{bundle.FrameStdout, tty}}
	if ask.Stdin {
		cmd.input = tty
	}
	return nil
}

// connect makes the pipes of a command without a terminal and returns its ends.
func (cmd *command) connect(ask *bundle.Exec) (theirs []*os.File, err error) {
	if ask.TTY {
		return nil, nil
	}
	pipe := func() (read, write *os.File) {
		if err == nil {
			read, write, err = os.Pipe()
		}
		return read, write
	}
	var stdin *os.File
	if ask.Stdin {
		stdin, cmd.input = pipe()
		cmd.process.Stdin = stdin
	}
	out, outWrite := pipe()
	errs, errWrite := pipe()
	if err != nil {
		return nil, err
	}
	cmd.process.Stdout, cmd.process.Stderr = outWrite, errWrite
	cmd.outputs = []outlet{{bundle.FrameStdout, out}, {bundle.FrameStderr, errs}}
	theirs = []*os.File{outWrite, errWrite}
	if stdin != nil {
		theirs = append(theirs, stdin)
	}
	return theirs, nil
}

func (cmd *command) close() {
	if cmd.input != nil {
		_ = cmd.input.Close()
	}
	for _, o := range cmd.outputs {
		_ = o.from.Close()
	}
}

// converse carries the outputs, and returns the code once the command has ended
// and what it wrote is told.
func (m *monitor) converse(conn *speaker, cmd *command) int {
	var copying sync.WaitGroup
	for _, o := range cmd.outputs {
		copying.Go(func() {
			buf := make([]byte, 32<<10)
			for {
				n, err := o.from.Read(buf)
				if n > 0 && conn.say(o.kind, buf[:n]) != nil {
					m.end(cmd)
				}
				if err != nil { // a terminal that nobody holds any more is EIO
					return
				}
			}
		})
	}
	state := cmd.wait()
	cmd.linger()
	copying.Wait()
	cmd.close()
	if state == nil {
		return 255
	}
	return code(state)
}

// hear carries the input and the sizes, until the connection ends.
func (cmd *command) hear(r io.Reader, c *net.UnixConn) {
	buf := make([]byte, 4096)
	for {
		kind, p, err := bundle.ReadFrame(r, buf)
		if err != nil {
			return
		}
		switch kind {
		case bundle.FrameStdin:
			cmd.feed(p, c)
		case bundle.FrameResize:
			if cmd.tty != nil && len(p) == 4 {
				size := unix.Winsize{Row: binary.BigEndian.Uint16(p), Col: binary.BigEndian.Uint16(p[2:])}
				_ = control(cmd.tty, func(fd int) error { return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &size) })
			}
		}
	}
}

// endOfInput is what a terminal takes as the end, at the begin of a line.
const endOfInput = 4

func (cmd *command) feed(p []byte, c *net.UnixConn) {
	switch {
	case cmd.input == nil:
	case len(p) > 0:
		cmd.write(p, c)
	case cmd.tty != nil:
		cmd.write([]byte{endOfInput}, c)
	default:
		_ = cmd.input.Close()
	}
}

// lookUp is how often a command that does not read its input is left to see
// whether anybody still waits for it.
const lookUp = 100 * time.Millisecond

// write gives up with the connection, and when nobody can read the input.
func (cmd *command) write(p []byte, c *net.UnixConn) {
	for {
		_ = cmd.input.SetWriteDeadline(time.Now().Add(lookUp))
		n, err := cmd.input.Write(p)
		p = p[n:]
		if !errors.Is(err, os.ErrDeadlineExceeded) || hungUp(c) {
			return
		}
	}
}

// hungUp is whether the other side is gone, whatever it said before.
func hungUp(c *net.UnixConn) bool {
	gone := false
	err := control(c, func(fd int) error {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		_, err := unix.Poll(p, 0)
		gone = p[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
		return err
	})
	return gone || err != nil && !errors.Is(err, unix.EINTR)
}

func control(f syscall.Conn, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var doErr error
	err = raw.Control(func(fd uintptr) { doErr = do(int(fd)) })
	return errors.Join(err, doErr)
}
