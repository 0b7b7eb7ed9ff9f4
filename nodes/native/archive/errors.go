package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/registries"
	"github.com/bayplan/bayplan/schema"
)

func fail(code nodes.FailureCode, err error, format string, args ...any) *agent.Error {
	return &agent.Error{Failure: nodes.Failure{Code: code, Text: fmt.Sprintf(format, args...)}, Err: err}
}

// errDeadline is Config.Deadline's.
var errDeadline = errors.New("the time for it is over")

// wrongError is an archive, or a server's answer, that will not get better.
type wrongError struct{ text string }

func (e *wrongError) Error() string { return e.text }

func wrong(format string, args ...any) error { return &wrongError{fmt.Sprintf(format, args...)} }

// localError is trouble with this node's disk, which no server can mend.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

func local(err error) error {
	if err == nil {
		return nil
	}
	return &localError{err}
}

// noFitError is an archive that fills a disk which has room again without it.
type noFitError struct{ err error }

func (e *noFitError) Error() string { return e.err.Error() }
func (e *noFitError) Unwrap() error { return e.err }

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// stallError is a server that sends next to nothing.
type stallError struct{ within time.Duration }

func (e *stallError) Error() string {
	return fmt.Sprintf("it sends next to nothing within %s", e.within)
}

// statusError is an answer that brings no content.
type statusError struct{ code int }

func (e *statusError) Error() string {
	return fmt.Sprintf("it answers %d %s", e.code, http.StatusText(e.code))
}

// again is whether the same request may fare better later.
func (e *statusError) again() bool {
	return e.code >= 500 || e.code == http.StatusTooManyRequests || e.code == http.StatusRequestTimeout
}

// final is whether asking again is of no use.
func final(err error) bool {
	_, wrong := errors.AsType[*wrongError](err)
	_, local := errors.AsType[*localError](err)
	_, inside := errors.AsType[*registries.InsideError](err)
	status, answered := errors.AsType[*statusError](err)
	return wrong || local || inside || answered && !status.again()
}

// explain makes a failure of an error that a person can act on.
func explain(a *schema.Artifact, err error) error {
	if err == nil {
		return nil
	}
	wrong, isWrong := errors.AsType[*wrongError](err)
	inside, isInside := errors.AsType[*registries.InsideError](err)
	local, isLocal := errors.AsType[*localError](err)
	status, answered := errors.AsType[*statusError](err)
	_, tooLarge := errors.AsType[*noFitError](err)
	switch {
	case tooLarge:
		return fail(nodes.PullFailed, err, "fetching %s: it does not fit on the node's disk: %v", a.URL, err)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("fetching %s: %w", a.URL, err)
	case isFull(err):
		return fail(nodes.DiskFull, err, "fetching %s: the node's disk is full: %v", a.URL, err)
	case isLocal:
		return fail(nodes.PullFailed, err, "fetching %s: this node: %v", a.URL, local)
	case isInside:
		return fail(nodes.ArtifactInvalid, err, "%s: %v", a.URL, inside)
	case isWrong:
		return fail(nodes.ArtifactInvalid, err, "%s: %v", a.URL, wrong)
	case answered && !status.again():
		return fail(nodes.ArtifactInvalid, err, "%s cannot be had: %v", a.URL, status)
	}
	return fail(nodes.ArtifactUnreachable, err, "%s cannot be had now: %s", a.URL, words(err))
}

// words leaves out the address, which is told already.
func words(err error) string {
	if errors.Is(err, errDeadline) {
		return errDeadline.Error()
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return "it breaks off in the middle"
	}
	return err.Error()
}
