package fake

import (
	"io"
	"net/http"
	"time"

	"github.com/bayplan/bayplan/nodes/agent/runtimetest/steps"
)

// Program is what one life of a container does. The zero value starts at once,
// answers every HTTP request with 200 and runs until it is asked to end.
type Program struct {
	// Pulls and Starts are how long the engine takes for these.
	Pulls, Starts time.Duration
	// Boots is how long after the start it listens.
	Boots time.Duration
	// Runs is how long it runs; zero is for ever.
	Runs time.Duration
	// Code is how it exits by itself; OOM is whether the kernel ends it.
	Code int
	OOM  bool
	// Drains is how long after the signal it ends; one that is Deaf never does
	// and is killed.
	Drains time.Duration
	Deaf   bool
	// Lines are written when it starts.
	Lines []string
	// Serve answers its HTTP requests; nil answers 200.
	Serve http.Handler
	// Exec runs a command in it; nil knows "true", "false" and "echo".
	Exec func(command []string, stdin io.Reader, stdout io.Writer) int
	// Main, where set, is the program itself, on a goroutine of its own; Boots,
	// Runs, Code, OOM, Drains, Deaf, Lines and Serve are then unused, and Exec
	// runs it too. It blocks only in what it is given.
	Main func(m steps.Machine, args []string) int
}
