// Bayplan-monitor stands beside one container of the built-in runtime; package
// monitor says how it is started. It is a program of its own because each
// container has one: what it does not link, it does not load.
//
//	CGO_ENABLED=1 go build -tags netgo,osusergo -ldflags '-s -w -linkmode external -extldflags "-static"' ./nodes/native/monitor/bayplan-monitor
//
// It runs one thread of Go, whatever its control group says: nobody has to read that,
// in the monitor and once more in the container's first moments.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
package main

import (
	"fmt"
	"os"

	"github.com/bayplan/bayplan/nodes/native/monitor"
)

// Whoever starts this as a monitor never comes here: package monitor takes over
// before.
func main() {
	fmt.Fprintf(os.Stderr, "bayplan-monitor is started by the agent, one for each container (%s)\n", monitor.Able)
	os.Exit(2)
}
