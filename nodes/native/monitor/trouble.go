//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"errors"
	"fmt"

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
