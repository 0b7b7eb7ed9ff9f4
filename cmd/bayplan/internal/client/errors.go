package client

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
)

// Classify gives an error of a call its exit code and the words that a user can
// act on. Any other error is returned as it is, unless its last word is only
// that a time was over: that is said so that a user understands it.
func Classify(err error) error {
	var c *connect.Error
	var done *exit.Error
	if errors.As(err, &done) {
		return err
	}
	if !errors.As(err, &c) {
		return plain(err)
	}
	if connect.IsWireError(err) {
		return answered(c)
	}
	return unanswered(c)
}

// plain says in a user's words that a time was over.
func plain(err error) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	const words = "it took too long"
	text, _ := strings.CutSuffix(err.Error(), context.DeadlineExceeded.Error())
	if text == err.Error() {
		return err
	}
	return &exit.Error{Code: exit.Timeout, Err: errors.New(text + words), Next: "bayplan doctor"}
}

// answered is what the server itself said.
func answered(c *connect.Error) error {
	said := errors.New(c.Message())
	switch c.Code() {
	case connect.CodeDeadlineExceeded:
		if c.Message() == context.DeadlineExceeded.Error() {
			return unanswered(c) // its handler had no more time, and says no more
		}
		return &exit.Error{Code: exit.Timeout, Err: said}
	case connect.CodeCanceled:
		return &exit.Error{Code: exit.Unreachable, Err: errors.New("the server broke off: it is stopping"), Next: "bayplan doctor"}
	case connect.CodeUnauthenticated, connect.CodePermissionDenied:
		return &exit.Error{Code: exit.Failure, Err: said, Next: "check $" + EnvCert + " and $" + EnvKey}
	case connect.CodeUnimplemented:
		return &exit.Error{Code: exit.Failure, Err: errors.New("the server is older than this client and does not know this call"), Next: "bayplan doctor"}
	}
	return &exit.Error{Code: exit.Failure, Err: said}
}

// unanswered is what kept the server from saying anything.
func unanswered(c *connect.Error) error {
	switch c.Code() {
	case connect.CodeDeadlineExceeded:
		return &exit.Error{Code: exit.Timeout, Err: errors.New("the server did not answer in time"), Next: "bayplan doctor"}
	case connect.CodeResourceExhausted:
		return &exit.Error{Code: exit.Failure, Err: errors.New(c.Message())}
	}
	return &exit.Error{Code: exit.Unreachable, Err: fmt.Errorf("the server does not answer: %s", cause(c)), Next: "bayplan doctor"}
}

// cause is the innermost part of an error that tells a user something.
func cause(c *connect.Error) string {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var op *net.OpError
	switch {
	case errors.As(c, &authority):
		return "its certificate is not of the CA in $" + EnvCA
	case errors.As(c, &host):
		return host.Error()
	case errors.As(c, &op):
		return op.Error()
	}
	return c.Message()
}

// lost is whether a stream that worked ended for a reason that passes: the
// server went, or is going.
func lost(err error) bool {
	if err == nil {
		return true
	}
	var c *connect.Error
	if !errors.As(err, &c) {
		return false
	}
	if connect.IsWireError(err) {
		return c.Code() == connect.CodeCanceled || c.Code() == connect.CodeUnavailable
	}
	return exit.CodeOf(unanswered(c)) == exit.Unreachable
}
