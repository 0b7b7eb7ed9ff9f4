package fake_test

import (
	"sync/atomic"
	"testing"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/agent/runtimetest"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/testenv/fake"
)

// TestContract holds the fake to what every runtime promises. It serves on no
// real socket, so that what only real programs show is left out; steps_test.go
// has the rest of it.
func TestContract(t *testing.T) {
	e := fake.New()
	e.Image("steps", fake.Steps)
	var port atomic.Int32
	port.Store(20000)
	runtimetest.Run(t, runtimetest.Engine{
		Runtime: func(_ *testing.T, node string) agent.Runtime { return e.Runtime("contract", node) },
		Program: func(w *schema.Workload, steps ...string) {
			w.Image, w.Args = "steps", steps
		},
		Missing:   "missing",
		FreePort:  func(*testing.T) int { return int(port.Add(1)) },
		Simulated: true,
	})
}
