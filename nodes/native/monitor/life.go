//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/moby/sys/user"
	"github.com/opencontainers/runc/libcontainer"

	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/cgroup"
	"github.com/bayplan/bayplan/nodes/native/logs"
)

// monitor is one life of one container.
type monitor struct {
	folder string
	cfg    bundle.Config
	// record is started.json, whose lock is held.
	record  *os.File
	started bundle.Started

	user      *user.ExecUser
	starter   *starter
	container *libcontainer.Container
	init      *libcontainer.Process
	log       *logs.Writer
	output    output
	listener  *net.UnixListener

	// asked is whether the program was told to end, killed whether a stop's grace was
	// over, exitLapsed whether its lease was.
	asked, killed, exitLapsed atomic.Bool

	leaseMu     sync.Mutex
	lease       *bundle.Lease
	leaseHeeded bool // whether somebody looks at it

	// ended is closed once exit is written.
	ended chan struct{}
	exit  bundle.Exit
	// talks are the connections that are being answered.
	talks sync.WaitGroup

	singleMu sync.Mutex
	single   map[string]*command // by series
}

// start makes the container and runs its program.
func (m *monitor) start() (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, m.discard())
		}
	}()
	if err := m.prepare(); err != nil {
		return err
	}
	if err := m.run(); err != nil {
		return err
	}
	m.started.At = time.Now()
	if m.started.Monitor, err = identify(os.Getpid()); err != nil {
		return err
	}
	pid, err := m.init.Pid()
	if err != nil {
		return err
	}
	if m.started.Init, err = identify(pid); err != nil {
		return err
	}
	boot, err := os.ReadFile(bundle.BootFile)
	if err != nil {
		return err
	}
	m.started.Boot = strings.TrimSpace(string(boot))
	return note(m.record, &m.started, startedAt)
}

// prepare does all that needs no process.
func (m *monitor) prepare() (err error) {
	if err := cgroup.Clear(m.cfg.Cgroup); err != nil { // what a monitor that was killed has left
		return err
	}
	if err := mountScratch(m.folder, m.cfg.Files); err != nil {
		return err
	}
	if err := mountRoot(m.folder, &m.cfg); err != nil {
		return err
	}
	if err := fillVolumes(m.folder, &m.cfg); err != nil {
		return err
	}
	if err := holdDeclared(m.folder, &m.cfg); err != nil {
		return err
	}
	if m.user, err = who(filepath.Join(m.folder, rootDir), m.cfg.User); err != nil {
		return err
	}
	if m.starter, err = newStarter(&m.cfg); err != nil {
		return err
	}
	if m.log, err = logs.Open(filepath.Join(m.folder, logDir), m.cfg.Log); err != nil {
		return err
	}
	if m.listener, err = listen(m.folder); err != nil {
		return err
	}
	left, err := furnish(m.folder, &m.cfg)
	if err != nil {
		return err
	}
	config, err := spec(m.folder, &m.cfg, left)
	if err != nil {
		return err
	}
	// The name is also that of the session's keyring: another container that
	// lives must not have it.
	m.container, err = libcontainer.Create(filepath.Join(m.folder, stateDir), strconv.Itoa(os.Getpid()), config)
	return err
}

// run runs the program: when it returns, that is executed, or there is nothing.
func (m *monitor) run() error {
	mode := becomes
	if m.cfg.Init {
		mode = isForked
	}
	p, told, err := m.starter.process(m.cfg.Args, &m.cfg, m.user, mode)
	if err != nil {
		return err
	}
	defer told.Close()
	p.Init = true
	out, err := m.output.pipe(p, m.log)
	if err != nil {
		return err
	}
	err = m.container.Run(p)
	_ = closeAll(append(out, p.ExtraFiles[1:]...))
	if err != nil {
		return judge(&m.cfg, err)
	}
	m.init = p
	if err := why(told, m.cfg.Args[0]); err != nil {
		_, _ = p.Wait()
		return err
	}
	return nil
}

// attend is the container's life: it returns when all of it is over.
func (m *monitor) attend() error {
	go m.serve()
	m.heed(m.cfg.Lease)
	state, err := m.init.Wait()
	if state == nil {
		return fmt.Errorf("awaiting the program: %w", err)
	}
	m.exit = bundle.Exit{Life: m.started.Life, Code: code(state), Lapsed: m.exitLapsed.Load()}
	err = errors.Join(m.output.drain(), m.count(), m.discard())
	m.exit.At = time.Now()
	err = errors.Join(err, m.keepExit(), m.log.Close())
	close(m.ended)
	m.part()
	return err
}

// keepExit writes down how it ended; where a disk is full, in the room that the
// record has.
func (m *monitor) keepExit() error {
	err := save(filepath.Join(m.folder, exitFile), m.exit)
	if err != nil && errors.Join(note(m.record, &m.exit, exitAt), m.record.Sync()) == nil {
		return nil
	}
	return err
}

// partTime is how long the last answers may take.
const partTime = 2 * time.Second

// part lets the answers that are on their way arrive.
func (m *monitor) part() {
	_ = m.listener.Close()
	done := make(chan struct{})
	go func() {
		m.talks.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(partTime):
	}
}

// code is the program's, or 128 and its signal.
func code(state *os.ProcessState) int {
	if s, ok := state.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return 128 + int(s.Signal())
	}
	return state.ExitCode()
}

// count reads how many were killed for memory, while the group is there.
func (m *monitor) count() (err error) {
	m.exit.OOMKills, err = cgroup.OOMKills(m.cfg.Cgroup)
	m.exit.OOM = m.exit.OOMKills > 0 && m.exit.Code == 128+int(syscall.SIGKILL) && !m.killed.Load()
	return err
}

// discard removes what the container had of the machine.
func (m *monitor) discard() error {
	if m.listener != nil && m.init == nil {
		_ = m.listener.Close()
	}
	return cgroup.Clear(m.cfg.Cgroup)
}

func closeAll(files []*os.File) error {
	var all []error
	for _, f := range files {
		all = append(all, f.Close())
	}
	return errors.Join(all...)
}
