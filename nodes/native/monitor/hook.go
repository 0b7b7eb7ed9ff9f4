//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"os"
	"path/filepath"

	"github.com/opencontainers/runc/libcontainer"
	_ "github.com/opencontainers/runc/libcontainer/nsenter" // its second half, before Go begins

	"github.com/bayplan/bayplan/nodes/native/monitor/launch"
)

// Able is empty where this binary can be a monitor, and says why not otherwise.
const Able = ""

// stage is what libcontainer calls itself with, a second time.
const stage = "init"

// A binary becomes a monitor here and not in its main: whatever else it is made
// of is not initialised then. This is also the one moment at which the first
// goroutine is bound to the first thread, which the container needs as its
// parent: it dies with the thread that made it.
func init() {
	if len(os.Args) != 2 || os.Args[0] != launch.Name {
		return
	}
	switch what := os.Args[1]; {
	case what == stage:
		libcontainer.Init() // does not return
	case filepath.IsAbs(what):
		os.Exit(Main(what))
	}
}
