package serve

import (
	"context"
	"errors"
	"fmt"

	"connectrpc.com/connect"
	"github.com/containerd/errdefs"
)

// codeOf is the Connect code of an error from behind the API; fallback is for
// one that says nothing about itself.
func codeOf(err error, fallback connect.Code) connect.Code {
	switch {
	case errors.Is(err, context.Canceled):
		return connect.CodeCanceled
	case errors.Is(err, context.DeadlineExceeded):
		return connect.CodeDeadlineExceeded
	case errdefs.IsNotFound(err):
		return connect.CodeNotFound
	case errdefs.IsInvalidArgument(err):
		return connect.CodeInvalidArgument
	case errdefs.IsFailedPrecondition(err), errdefs.IsConflict(err):
		return connect.CodeFailedPrecondition
	case errdefs.IsPermissionDenied(err):
		return connect.CodePermissionDenied
	case errdefs.IsUnavailable(err):
		return connect.CodeUnavailable
	}
	return fallback
}

// coded gives err its code and keeps its text; an error that has a code already
// stays as it is.
func coded(err error, fallback connect.Code) error {
	var c *connect.Error
	if err == nil || errors.As(err, &c) {
		return err
	}
	return connect.NewError(codeOf(err, fallback), err)
}

func invalid(format string, a ...any) error {
	return connect.NewError(connect.CodeInvalidArgument, fmt.Errorf(format, a...))
}

func notFound(format string, a ...any) error {
	return connect.NewError(connect.CodeNotFound, fmt.Errorf(format, a...))
}

func notNow(format string, a ...any) error {
	return connect.NewError(connect.CodeFailedPrecondition, fmt.Errorf(format, a...))
}
