package launch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// Name is a monitor's argv[0]: by it a binary knows that it is to be one.
const Name = "bayplan-monitor"

// Note is the file of a bundle's folder that takes what a monitor has to say of
// itself: nothing, unless it is broken.
const Note = "monitor.log"

// Seal copies a program into memory and seals it, for good. What runs from
// there shares its pages, needs no disk that allows programs, and cannot be
// overwritten by what it runs. The name is for people who look at processes.
func Seal(name string, program io.Reader) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // older than 6.3: executable without asking
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, fmt.Errorf("a file in memory for %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := fill(f, program); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("sealing %s: %w", name, err)
	}
	return f, nil
}

func fill(f *os.File, program io.Reader) error {
	if _, err := io.Copy(f, program); err != nil {
		return err
	}
	if err := f.Chmod(0o555); err != nil {
		return err
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	_, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals)
	return err
}

// Start starts a monitor for the bundle's folder and waits until its program
// runs or cannot. The error is the monitor's own end before it could say either.
// Where the program runs the process is the caller's to wait for; otherwise it
// has ended.
func Start(exe *os.File, folder string) (*os.Process, bundle.Ready, error) {
	return StartContext(context.Background(), exe, folder)
}

// StartContext is Start that gives up when ctx ends: the monitor is killed then,
// and the container's control group may be left.
func StartContext(ctx context.Context, exe *os.File, folder string) (*os.Process, bundle.Ready, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, bundle.Ready{}, err
	}
	defer read.Close()
	process, err := start(exe, folder, write)
	_ = write.Close()
	if err != nil {
		return nil, bundle.Ready{}, fmt.Errorf("starting the monitor: %w", err)
	}
	stay := context.AfterFunc(ctx, func() { _ = process.Kill() })
	var ready bundle.Ready
	err = json.NewDecoder(read).Decode(&ready)
	killed := !stay() // maybe at the moment at which it was ready
	if err == nil && ready.Started != nil && !killed {
		return process, ready, nil
	}
	state, _ := process.Wait()
	if killed && ready.Trouble == nil {
		return nil, bundle.Ready{}, context.Cause(ctx)
	}
	if err != nil {
		return nil, ready, fmt.Errorf("the monitor ended (%v), see %s: %w", state, filepath.Join(folder, Note), err)
	}
	return nil, ready, nil
}

func start(exe *os.File, folder string, ready *os.File) (*os.Process, error) {
	note, err := os.OpenFile(filepath.Join(folder, Note), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer note.Close()
	cmd := exec.Cmd{
		// By our own table: in the child the number may mean another file already.
		Path: "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(int(exe.Fd())),
		Args: []string{Name, folder},
		Env:  []string{"GOMAXPROCS=1", "GOTRACEBACK=single"},
		Dir:  "/", Stderr: note, ExtraFiles: []*os.File{ready},
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return cmd.Process, nil
}
