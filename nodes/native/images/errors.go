package images

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/registries"
)

func fail(code nodes.FailureCode, err error, format string, args ...any) *agent.Error {
	return &agent.Error{Failure: nodes.Failure{Code: code, Text: fmt.Sprintf(format, args...)}, Err: err}
}

var (
	errClosed   = errors.New("the image store is closed")
	errDeadline = errors.New("the time for a pull is over")
)

// stallError is a registry that sends next to nothing.
type stallError struct {
	within time.Duration
	bytes  int64
}

func (e *stallError) Error() string {
	return fmt.Sprintf("it sent %d bytes within %s", e.bytes, e.within)
}

// contentError is content that is not what its name says.
type contentError struct{ text string }

func (e *contentError) Error() string { return e.text }

func isContent(err error) bool {
	_, ok := errors.AsType[*contentError](err)
	return ok
}

func wrong(format string, args ...any) error { return &contentError{fmt.Sprintf(format, args...)} }

// localError is trouble with this node's disk, which no registry can mend.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// noFitError is an image that fills a disk which has room again without it.
type noFitError struct{ err error }

func (e *noFitError) Error() string { return e.err.Error() }
func (e *noFitError) Unwrap() error { return e.err }

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

func isLocal(err error) bool {
	_, ok := errors.AsType[*localError](err)
	return ok
}

func local(err error) error {
	if err == nil {
		return nil
	}
	return &localError{err}
}

// plainHTTPError is a registry that has no TLS and was not allowed to do
// without.
type plainHTTPError struct{ host string }

func (e *plainHTTPError) Error() string {
	return fmt.Sprintf("%s does not speak TLS, and is not listed as one that need not", e.host)
}

// noTLS is the trouble only where the registry answered at all: both ways are
// tried.
func noTLS(err error) (*plainHTTPError, bool) {
	_, unreached := errors.AsType[*net.OpError](err)
	plain, ok := errors.AsType[*plainHTTPError](err)
	return plain, ok && !unreached
}

// hangs is a registry that was waited for in vain.
func hangs(err error) bool {
	_, stalled := errors.AsType[*stallError](err)
	timeout, network := errors.AsType[net.Error](err)
	return stalled || network && timeout.Timeout()
}

// again is whether the same request may fare better later.
func again(err error) bool {
	if answer, ok := errors.AsType[*transport.Error](err); ok {
		return answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode == http.StatusRequestTimeout
	}
	_, cert := errors.AsType[*tls.CertificateVerificationError](err)
	_, plain := noTLS(err)
	_, inside := errors.AsType[*registries.InsideError](err)
	return !isContent(err) && !cert && !plain && !inside && !strings.Contains(err.Error(), "SSRF protection")
}

// explain makes a failure of a pull's error that a person can act on, with the
// codes that the docker runtime has for the same troubles.
func explain(r reference, err error) error {
	doing := "pulling " + r.given
	if _, ok := errors.AsType[*agent.Error](err); ok || err == nil {
		return err
	}
	_, tooLarge := errors.AsType[*noFitError](err)
	switch {
	case tooLarge:
		return fail(nodes.PullFailed, err, "%s: it does not fit on the node's disk: %v", doing, err)
	case isFull(err):
		return fail(nodes.DiskFull, err, "%s: the node's disk is full: %v", doing, err)
	case isLocal(err):
		return fail(nodes.PullFailed, err, "%s: the node's disk: %v", doing, err)
	case errors.Is(err, errDeadline):
		return fail(nodes.RegistryUnreachable, err, "%s: %v: the registry %s is too slow", doing, err, r.registry())
	case errors.Is(err, errClosed):
		return fail(nodes.EngineDown, err, "%s: %v", doing, err)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", doing, err)
	}
	if cert, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fail(nodes.RegistryUnreachable, err, "the certificate of the registry %s is not good: %v", r.registry(), cert.Err)
	}
	if answer, ok := errors.AsType[*transport.Error](err); ok {
		return explainAnswer(r, answer)
	}
	return explainTransport(r, doing, err)
}

func explainAnswer(r reference, answer *transport.Error) error {
	host := r.registry()
	switch {
	case answer.StatusCode == http.StatusUnauthorized, answer.StatusCode == http.StatusForbidden:
		return fail(nodes.ImageUnauthorized, answer, "the registry %s wants another password, or one at all: give it to the node (`docker login %s` there, or its agent's --registry-auth)", host, host)
	case answer.StatusCode == http.StatusNotFound && says(answer, transport.BlobUnknownErrorCode):
		return fail(nodes.PullFailed, answer, "pulling %s: the registry %s has lost a part of it: push it again", r.given, host)
	case answer.StatusCode == http.StatusNotFound:
		return fail(nodes.ImageNotFound, answer, "there is no image %s: check its name and tag, and give the node the password of %s if it is private (docker login, or --registry-auth)", r.given, host)
	case answer.StatusCode >= 500:
		return fail(nodes.RegistryUnreachable, answer, "the registry %s does not answer: it is ill: status %d", host, answer.StatusCode)
	case answer.StatusCode == http.StatusTooManyRequests:
		return fail(nodes.PullFailed, answer, "pulling %s: the registry %s allows no more pulls for now: log in to it, or use a mirror", r.given, host)
	}
	return fail(nodes.PullFailed, answer, "pulling %s: %v", r.given, answer)
}

func says(answer *transport.Error, code transport.ErrorCode) bool {
	for _, d := range answer.Errors {
		if d.Code == code {
			return true
		}
	}
	return false
}

func explainTransport(r reference, doing string, err error) error {
	host := r.registry()
	if content, ok := errors.AsType[*contentError](err); ok {
		return fail(nodes.PullFailed, err, "%s: %v", doing, content)
	}
	if inside, ok := errors.AsType[*registries.InsideError](err); ok {
		return fail(nodes.PullFailed, err, "the registry %s cannot be used: %v", host, inside)
	}
	if stall, ok := errors.AsType[*stallError](err); ok {
		return fail(nodes.RegistryUnreachable, err, "the registry %s hangs: %v", host, stall)
	}
	if plain, ok := noTLS(err); ok {
		return fail(nodes.RegistryUnreachable, err, "the registry %v", plain)
	}
	if _, network := errors.AsType[net.Error](err); network || errors.Is(err, io.EOF) {
		return fail(nodes.RegistryUnreachable, err, "the registry %s does not answer: %v", host, err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fail(nodes.RegistryUnreachable, err, "the registry %s breaks off in the middle: %v", host, err)
	}
	return fail(nodes.PullFailed, err, "%s: %v", doing, err)
}
