// Package exit is how a verb ends: the one table of exit codes, and the error
// that carries one with the next step for the user.
package exit

import (
	"context"
	"errors"
	"fmt"
)

// Code is what the process ends with. Scripts rely on the numbers.
type Code int

// The codes. 64 and 69 are those of sysexits.h.
const (
	Fine        Code = 0
	Failure     Code = 1
	Changes     Code = 2 // a plan has changes, asked for by --exit-code
	Unplaced    Code = 4 // a plan has slots without a place
	Invalid     Code = 5 // the tree does not validate
	Timeout     Code = 7
	Usage       Code = 64
	Unreachable Code = 69 // no server is configured, or none answers
)

// Error ends the program with Code.
type Error struct {
	Code Code
	// Err is the cause, in a sentence; nil ends silently.
	Err error
	// Next is a command to type or a step to take; may be empty.
	Next string
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Silent ends with a code and no word.
func Silent(c Code) error { return &Error{Code: c} }

// Usagef is a mistake in the command line.
func Usagef(next, format string, a ...any) error {
	return &Error{Usage, fmt.Errorf(format, a...), next}
}

// CodeOf is the code that err ends with: that of an Error in its chain, Timeout
// for a deadline, Failure otherwise.
func CodeOf(err error) Code {
	var e *Error
	switch {
	case err == nil:
		return Fine
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	}
	return Failure
}

// Text is what the user reads: the cause, and the next step on a line of its
// own. It is empty for a silent end.
func Text(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	if e.Err == nil {
		return ""
	}
	if e.Next == "" {
		return err.Error()
	}
	return err.Error() + "\n  next: " + e.Next
}

// Next is the next step that err carries; "" where it has none.
func Next(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Next
	}
	return ""
}
