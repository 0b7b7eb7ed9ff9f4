package main

import (
	"errors"
	"flag"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write the golden outputs of testdata anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"bayplan": main})
}

// TestScript runs the verbs as processes against the real API, over TLS, in
// front of a cluster in memory (the verb `cluster` of the scripts).
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup:               setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"look":    look,
			"cluster": clusterVerb,
		},
	})
}

// exits runs a command that must end with the code: exits 64 bayplan frob.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var e *exec.ExitError
		if !errors.As(err, &e) {
			ts.Fatalf("%v", err)
		}
		got = e.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// look runs a command for its output, however it ends.
func look(ts *testscript.TestScript, _ bool, args []string) {
	var e *exec.ExitError
	if err := ts.Exec(args[0], args[1:]...); err != nil && !errors.As(err, &e) {
		ts.Fatalf("%v", err)
	}
}
