//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// The files of a bundle's folder.
const (
	configFile  = "config.json"
	startedFile = "started.json"
	exitFile    = "exit.json"
	socketFile  = "control.sock"
	logDir      = "log"
)

// readyFD is the pipe to whoever started us.
const readyFD = 3

// Main is a monitor's life: it returns the exit code of the process once the
// container has ended. It belongs to a process that was started by package
// launch, and to its first thread.
func Main(folder string) int {
	unix.CloseOnExec(readyFD)
	// A heap this small is collected when it has grown to a few times its size.
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(24 << 20)
	logrus.SetLevel(logrus.WarnLevel)
	// What ends an agent does not end its containers. It is caught and not ignored,
	// since that would go on to the program's first moments.
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGTERM)
	unix.Umask(0o022)

	m, err := begin(folder)
	tell(m, err)
	if err != nil {
		return 1
	}
	if err := m.attend(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// tell answers whoever started us. Without anybody there, as where the agent ended
// meanwhile, what is wrong goes into the note.
func tell(m *monitor, err error) {
	var answer bundle.Ready
	if err == nil {
		answer.Started = &m.started
	} else {
		answer.Trouble = told(err)
	}
	ready := os.NewFile(readyFD, "ready")
	defer ready.Close()
	if nobody := json.NewEncoder(ready).Encode(answer); nobody != nil && err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// begin brings the program to life, or leaves nothing.
func begin(folder string) (*monitor, error) {
	if err := detached(); err != nil {
		return nil, err
	}
	folder, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return nil, err
	}
	record, err := hold(filepath.Join(folder, startedFile))
	if err != nil {
		return nil, err
	}
	m := &monitor{folder: folder, record: record, ended: make(chan struct{})}
	if err := load(filepath.Join(folder, configFile), &m.cfg); err != nil {
		return nil, err
	}
	m.started.Life = m.lives() + 1
	if err := m.start(); err != nil {
		return nil, err
	}
	return m, nil
}

// lives is how many there were. What a power cut left of one record the other
// says, if it matters: a life without either is none that anybody was told of.
func (m *monitor) lives() int {
	var started bundle.Started
	var exit bundle.Exit
	if json.NewDecoder(m.record).Decode(&started) != nil {
		_ = load(filepath.Join(m.folder, exitFile), &exit)
	}
	return max(started.Life, exit.Life)
}

// hold takes the lock for as long as this process lives.
func hold(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("the container has a monitor already: %w", err)
	}
	return f, nil
}

func load(path string, to any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, to); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Where a record has what: the two together take less than a block of a disk.
const (
	startedAt = 0
	exitAt    = 512
)

// note writes into the record over what stood there. It is the kernel's affair when
// it reaches the disk: a machine that failed makes that a program runs meaningless.
func note(record *os.File, what any, at int64) error {
	b, err := json.Marshal(what)
	if err != nil {
		return err
	}
	b = append(b, bytes.Repeat([]byte(" "), max(exitAt-len(b)-1, 0))...)
	_, err = record.WriteAt(append(b, '\n'), at)
	return err
}

// save writes the file whole or not at all, and it is there even after a failure
// of the machine: a job whose end was forgotten would run again, and that is worth
// a millisecond of waiting.
func save(path string, from any) error {
	b, err := json.Marshal(from)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
