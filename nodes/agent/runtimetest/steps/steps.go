// Package steps is what the test image does: its arguments are a list of steps
// that it takes one after the other.
//
//	print N          N lines "line 1" … on stdout
//	echo TEXT        a line on stdout
//	complain TEXT    a line on stderr
//	env NAME         the variable's value, a line
//	whoami           "uid:gid workdir", a line
//	terminal         "terminal ROWSxCOLS" or "no terminal", a line
//	cat              stdin to stdout, to its end
//	write PATH TEXT  a file
//	read PATH        a file to stdout; exits with 1 if there is none
//	serve PORT       from now on answers HTTP there, 200 with the path
//	ignore           from now on ignores every signal that it can
//	sleep            until a signal; then exits with 0, after a line with its name
//	oom              takes memory until it is killed
//	fork N           "forked K", a line: of N processes K could be had at once
//	exit N           ends with N; the end of the list is "exit 0"
//
// The program of testenv/image takes the steps on a real machine; a fake engine
// takes the same steps on a Machine of its own, so that one contract suite fits
// both.
package steps

import (
	"fmt"
	"io"
	"strconv"
)

// Machine is what the steps act on.
type Machine interface {
	Stdin() io.Reader
	Stdout() io.Writer
	Stderr() io.Writer
	Getenv(name string) string
	// Whoami is "uid:gid workdir".
	Whoami() string
	// Terminal is the size of the terminal, and false where there is none.
	Terminal() (rows, cols int, ok bool)
	WriteFile(path, text string) error
	ReadFile(path string) (string, error)
	// Serve answers HTTP on the port, without blocking.
	Serve(port int) error
	// IgnoreSignals makes every signal but SIGKILL do nothing.
	IgnoreSignals()
	// AwaitSignal blocks until a signal comes and names it ("SIGTERM"). It
	// never returns after IgnoreSignals.
	AwaitSignal() string
	// Exhaust takes memory until the machine kills the program: it does not
	// return.
	Exhaust()
	// Fork starts up to n processes side by side, ends them, and tells how many
	// there were.
	Fork(n int) int
}

// Path is where the program stands in the test image; it is its entrypoint.
const Path = "/program"

// Run takes the steps and returns the exit code. A step that is none ends the
// run with 64.
func Run(m Machine, args []string) int {
	for len(args) > 0 {
		s, ok := known[args[0]]
		if !ok || len(args) <= s.args {
			fmt.Fprintf(m.Stderr(), "no step %q\n", args)
			return 64
		}
		if code, end := s.do(m, args[1:1+s.args]); end {
			return code
		}
		args = args[1+s.args:]
	}
	return 0
}

// step takes its arguments and says whether the program ends, and with what.
type step struct {
	args int
	do   func(m Machine, a []string) (code int, end bool)
}

var known = map[string]step{
	"print":    {1, number(printLines)},
	"echo":     {1, line(func(_ Machine, a []string) string { return a[0] })},
	"complain": {1, func(m Machine, a []string) (int, bool) { return check(m, write(m.Stderr(), a[0])) }},
	"env":      {1, line(func(m Machine, a []string) string { return m.Getenv(a[0]) })},
	"whoami":   {0, line(func(m Machine, _ []string) string { return m.Whoami() })},
	"terminal": {0, line(terminal)},
	"cat":      {0, cat},
	"write":    {2, func(m Machine, a []string) (int, bool) { return check(m, m.WriteFile(a[0], a[1])) }},
	"read":     {1, read},
	"serve":    {1, number(func(m Machine, n int) (int, bool) { return check(m, m.Serve(n)) })},
	"ignore":   {0, func(m Machine, _ []string) (int, bool) { m.IgnoreSignals(); return 0, false }},
	"sleep":    {0, func(m Machine, _ []string) (int, bool) { _ = write(m.Stdout(), m.AwaitSignal()); return 0, true }},
	"oom":      {0, func(m Machine, _ []string) (int, bool) { m.Exhaust(); return 137, true }},
	"fork": {1, number(func(m Machine, n int) (int, bool) {
		return check(m, write(m.Stdout(), fmt.Sprintf("forked %d", m.Fork(n))))
	})},
	"exit": {1, number(func(_ Machine, n int) (int, bool) { return n, true })},
}

func check(m Machine, err error) (int, bool) {
	if err == nil {
		return 0, false
	}
	_ = write(m.Stderr(), err.Error())
	return 1, true
}

func write(w io.Writer, text string) error {
	_, err := io.WriteString(w, text+"\n")
	return err
}

func line(text func(Machine, []string) string) func(Machine, []string) (int, bool) {
	return func(m Machine, a []string) (int, bool) { return check(m, write(m.Stdout(), text(m, a))) }
}

func number(do func(Machine, int) (int, bool)) func(Machine, []string) (int, bool) {
	return func(m Machine, a []string) (int, bool) {
		n, err := strconv.Atoi(a[0])
		if err != nil {
			return check(m, err)
		}
		return do(m, n)
	}
}

func printLines(m Machine, n int) (int, bool) {
	for i := range n {
		if err := write(m.Stdout(), "line "+strconv.Itoa(i+1)); err != nil {
			return check(m, err)
		}
	}
	return 0, false
}

func terminal(m Machine, _ []string) string {
	rows, cols, ok := m.Terminal()
	if !ok {
		return "no terminal"
	}
	return fmt.Sprintf("terminal %dx%d", rows, cols)
}

func cat(m Machine, _ []string) (int, bool) {
	_, err := io.Copy(m.Stdout(), m.Stdin())
	return check(m, err)
}

func read(m Machine, a []string) (int, bool) {
	text, err := m.ReadFile(a[0])
	if err != nil {
		return check(m, err)
	}
	return check(m, write(m.Stdout(), text))
}
