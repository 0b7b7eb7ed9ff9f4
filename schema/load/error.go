package load

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"
)

// ErrEmpty is returned for a tree without any package. It asks for nothing, not
// even for removal: the caller keeps the revision that it has.
var ErrEmpty = errors.New("the tree holds no package: no directory has a .cue, .yaml or .json file")

// Error is one thing wrong with one place of a user's file.
type Error struct {
	// Team is the package that it keeps from being applied; "" is the root.
	Team string
	// File is the path from the root; Line and Col count from 1, and are 0
	// where the error is about the file as a whole.
	File string
	Line int
	Col  int
	// Path is the field, such as "workloads.web.replicas"; "" is none.
	Path    string
	Message string
	// Next is what to do about it: a command, or a change to make.
	Next string
}

// Error is "file:line:col: path: message", with what is unknown left out.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Col)
	}
	if e.Path != "" {
		b.WriteString(": " + e.Path)
	}
	return b.String() + ": " + e.Message
}

func (e *Error) compare(f *Error) int {
	return cmp.Or(strings.Compare(e.File, f.File), e.Line-f.Line, e.Col-f.Col,
		strings.Compare(e.Path, f.Path), strings.Compare(e.Message, f.Message))
}

// tidy orders errors by place and drops repetitions.
func tidy(errs []*Error) []*Error {
	slices.SortFunc(errs, (*Error).compare)
	return slices.CompactFunc(errs, func(a, b *Error) bool { return a.compare(b) == 0 })
}

// maxErrors is how many errors of one package are told: they are kept in the
// status of a commit, and nobody reads more at once.
const maxErrors = 100

func bounded(errs []*Error) []*Error {
	if len(errs) <= maxErrors {
		return errs
	}
	last := *errs[maxErrors-1]
	last.Path, last.Message = "", fmt.Sprintf("and %d more errors from here on", len(errs)-maxErrors+1)
	return append(errs[:maxErrors-1:maxErrors-1], &last)
}

// combine makes one error of many, nil of none; its text has a line for each.
func combine(errs []*Error) error {
	if len(errs) == 0 {
		return nil
	}
	all := &multierror.Error{ErrorFormat: lines}
	for _, e := range errs {
		all = multierror.Append(all, e)
	}
	return all
}

func lines(errs []error) string {
	text := make([]string, len(errs))
	for i, e := range errs {
		text[i] = e.Error()
	}
	return strings.Join(text, "\n")
}

// Errors lists the places that an error of Load names; nil if it names none.
func Errors(err error) []*Error {
	var all *multierror.Error
	if !errors.As(err, &all) {
		return nil
	}
	list := make([]*Error, 0, len(all.Errors))
	for _, e := range all.Errors {
		var one *Error
		if errors.As(e, &one) {
			list = append(list, one)
		}
	}
	return list
}
