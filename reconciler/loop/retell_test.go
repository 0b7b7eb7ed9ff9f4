package loop_test

import (
	"context"
	"io/fs"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bayplan/bayplan/nodes/roster"
	"github.com/bayplan/bayplan/reconciler/loop"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
	"github.com/bayplan/bayplan/testenv/memory"
)

func evaluate(ctx context.Context, files fs.FS, rev schema.Revision) (schema.Spec, error) {
	return load.LoadContext(ctx, files, rev)
}

// A server whose ledger went away, and which is deposed for that, says both
// while it waits to lead again, and no more afterwards.
func TestLoop_TellsWhileItDoesNotLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		ledger := &memory.Ledger{}
		l, err := loop.New(loop.Config{Source: memory.NewRepo(), Fleet: roster.New(time.Now), Ledger: ledger, Resolver: &memory.Images{}, Load: evaluate,
			Troubles: func() []status.Problem {
				if away.Load() {
					return []status.Problem{{Code: "ledger-unreachable"}}
				}
				return nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- l.Run(ctx) }()
		defer func() { cancel(); <-ended }()
		<-l.Deciding()
		wants := func(has bool, codes ...string) {
			t.Helper()
			time.Sleep(2 * time.Second)
			s, _ := l.Status()
			for _, code := range codes {
				if hasProblem(code)(s) != has {
					t.Errorf("%s: %v, want %v: %+v", code, !has, has, s.Problems)
				}
			}
		}
		wants(false, "ledger-unreachable", "not-leading")
		away.Store(true)
		wants(true, "ledger-unreachable")
		open := ledger.Lead.Shut()
		ledger.Depose()
		wants(true, "ledger-unreachable", "not-leading")
		away.Store(false)
		wants(false, "ledger-unreachable")
		wants(true, "not-leading")
		open()
		wants(false, "ledger-unreachable", "not-leading")
	})
}
