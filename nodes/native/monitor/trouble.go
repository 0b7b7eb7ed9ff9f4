//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// trouble is an error that says who can mend it.
type trouble struct {
	kind bundle.TroubleKind
	err  error
}

func (t *trouble) Error() string { return t.err.Error() }
func (t *trouble) Unwrap() error { return t.err }

// told is an error in the words of the bundle. What nobody sorted is the node's.
func told(err error) *bundle.Trouble {
	kind := bundle.TroubleNode
	var t *trouble
	if errors.As(err, &t) {
		kind = t.kind
	}
	return &bundle.Trouble{Kind: kind, Text: err.Error()}
}

// judge tells a request that no node could meet from a node that cannot. What
// libcontainer says of it has no type.
func judge(cfg *bundle.Config, err error) error {
	says := func(format string, a ...any) bool { return strings.Contains(err.Error(), fmt.Sprintf(format, a...)) }
	memory, pids := cfg.Resources.Memory, cfg.Resources.Pids
	switch {
	case memory > 0 && (says("OOM-killed") || says("unable to set memory limit")):
		err = fmt.Errorf("a limit of %d bytes of memory is too little to start in", memory)
	case pids > 0 && pids < fewPids:
		err = fmt.Errorf("a limit of %d processes may be too few to start with: %w", pids, err)
	case says("chdir to cwd"), cfg.Workdir != "" && says("mkdir %s:", cfg.Workdir):
		err = fmt.Errorf("the working directory %s: %w", cfg.Workdir, root(err))
	case slices.ContainsFunc(slices.Concat(cfg.Ground, cfg.Mounts), func(m bundle.Mount) bool { return says("to rootfs at %q", m.Target) }):
	case says("must be mounted on ordinary directory"), says("to rootfs at") && says("not a directory"):
		_, at, _ := strings.Cut(err.Error(), "to rootfs at ")
		at, _, _ = strings.Cut(at, ":")
		return notFolder(strings.Trim(at, `"`), root(err))
	default:
		return err
	}
	return &trouble{bundle.TroubleConfig, err}
}

// notFolder is an image that has something else where a folder is to be mounted.
func notFolder(path string, err error) error {
	return &trouble{bundle.TroubleConfig, fmt.Errorf("the image has something else where the folder %s is to be: %w", path, err)}
}

// fewPids is what the start itself may need: the threads of libcontainer's init.
const fewPids = 16

// root is the last of what an error says: its cause, which came as text from
// another process.
func root(err error) error {
	text := err.Error()
	return errors.New(strings.TrimSpace(text[strings.LastIndex(text, ": ")+1:]))
}

// notRun says why a program could not be executed.
func notRun(program string, errno unix.Errno) error {
	var why string
	switch errno {
	case unix.ENOENT, unix.ENOTDIR:
		why = "there is no such program in the container, or what it asks to be run by is missing"
	case unix.EACCES, unix.EPERM:
		why = "it may not be executed"
	case unix.ENOEXEC:
		why = "it is no program for this machine: a script needs a first line such as #!/bin/sh"
	case unix.ENOMEM, unix.EAGAIN, unix.EMFILE, unix.ENFILE:
		return fmt.Errorf("running %s: %w", program, errno)
	default:
		why = errno.Error()
	}
	return &trouble{bundle.TroubleProgram, fmt.Errorf("%s: %s", program, why)}
}
