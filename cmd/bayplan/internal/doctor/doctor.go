// Package doctor examines this machine and the way to the server: each check
// finds one thing, says in a sentence how it is, and what to do about it.
package doctor

import (
	"context"
	"time"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
)

// State is how a check went.
type State string

// Warn is what may well be meant so, Fail what keeps something from working.
const (
	OK   State = "ok"
	Warn State = "warn"
	Fail State = "fail"
)

// Finding is one line of the answer.
type Finding struct {
	Check string `json:"check"`
	State State  `json:"state"`
	Text  string `json:"text"`
	// Next is how to mend it; empty where nothing is to be mended.
	Next string `json:"next,omitempty"`
}

// patience bounds each check, so that one that hangs is a finding too.
const patience = 6 * time.Second

// Examine makes every check, those of the client first.
func Examine(ctx context.Context, c client.Config) []Finding {
	all := append(theClient(ctx, c.Filled()), runtimes(ctx)...)
	for _, check := range []func(context.Context) Finding{disk, kernel, cgroups} {
		all = append(all, bounded(ctx, check))
	}
	return all
}

func bounded(ctx context.Context, check func(context.Context) Finding) Finding {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return check(ctx)
}
