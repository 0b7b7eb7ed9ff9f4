package native

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native/bridge"
	"github.com/bayplan/bayplan/nodes/native/bundle"
)

var (
	// errNoContainer is for a call that needs one.
	errNoContainer = errors.New("there is no such container on this node")
	errNotRunning  = errors.New("the container does not run")
	errRunning     = errors.New("the container runs: stop it first")
)

func fail(code nodes.FailureCode, err error, format string, args ...any) *agent.Error {
	return &agent.Error{Failure: nodes.Failure{Code: code, Text: fmt.Sprintf(format, args...)}, Err: err}
}

// explain makes a failure of an error that a person can act on, whatever the
// call was.
func explain(doing string, err error) error {
	if _, ok := errors.AsType[*agent.Error](err); ok || err == nil {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fail(nodes.DiskFull, err, "%s: the node's disk is full: %v", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// explainStart knows what goes wrong with a start.
func explainStart(c agent.Container, err error) error {
	doing := "starting " + c.ID
	if e, ok := errors.AsType[*agent.Error](explain(doing, err)); ok {
		return e
	}
	taken, ok := errors.AsType[*bridge.PortTakenError](err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", doing, err)
	case ok && !errors.Is(err, syscall.EADDRNOTAVAIL):
		return portInUse(taken.Port.Host, err)
	case errors.Is(err, syscall.EROFS):
		return readOnly(err)
	}
	return fail(nodes.StartFailed, err, "it could not be started: %v", err)
}

func portInUse(port int, err error) *agent.Error {
	e := fail(nodes.PortInUse, err, "port %d of this node is in use by something else", port)
	e.Failure.Port = port
	return e
}

func readOnly(err error) *agent.Error {
	return fail(nodes.VolumeUnavailable, err, "the node's disk is read-only: %v: mount it so that it can be written to", err)
}

// troubled is the monitor's reason for a start that failed.
func troubled(t *bundle.Trouble) error {
	err := errors.New(t.Text)
	switch {
	case strings.Contains(t.Text, syscall.ENOSPC.Error()):
		return fail(nodes.DiskFull, err, "the node's disk is full: %s", t.Text)
	case strings.Contains(t.Text, "the volume at ") && strings.Contains(t.Text, syscall.EROFS.Error()):
		return readOnly(err)
	case t.Kind == bundle.TroubleProgram:
		return fail(nodes.CommandNotFound, err, "the command could not be run: %s", t.Text)
	case t.Kind == bundle.TroubleUser, t.Kind == bundle.TroubleConfig:
		return fail(nodes.StartFailed, err, "it could not be started: %s", t.Text)
	}
	return fail(nodes.StartFailed, err, "this node could not start it: %s", t.Text)
}
