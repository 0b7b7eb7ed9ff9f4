// Bayplan is a cluster orchestrator whose bay plan is a Git repository: server,
// agent and the client's verbs in one program. `bayplan help` lists them; each
// stands in the file of its name.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, newRoot())
	stop()
	os.Exit(int(code))
}
