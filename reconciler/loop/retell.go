package loop

import (
	"context"
	"slices"
	"time"

	"github.com/bayplan/bayplan/reconciler/status"
)

// retellEvery is how soon it is told that another part of the server is in
// trouble, also while the deciding goroutine waits for that very part.
const retellEvery = time.Second

// retell publishes the newest view anew whenever the troubles of the server's
// other parts are not those that it tells.
func (l *Loop) retell(ctx context.Context) {
	tick := time.NewTicker(retellEvery)
	defer tick.Stop()
	others := map[string]bool{} // the codes that they ever used
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.retellOnce(others)
		}
	}
}

func (l *Loop) retellOnce(others map[string]bool) {
	v, fresh := l.current(), l.cfg.Troubles()
	for _, p := range fresh {
		others[p.Code] = true
	}
	var own, told []status.Problem
	for _, p := range v.in.Troubles {
		if others[p.Code] {
			told = append(told, p)
		} else {
			own = append(own, p)
		}
	}
	if v.input.Epoch != 0 && !slices.Equal(told, fresh) {
		l.republish(v, append(own, fresh...))
	}
}

// stepDown says that this server decides no more, for now, which also is why
// its last decision was not recorded.
func (l *Loop) stepDown() {
	v := l.current()
	all := []status.Problem{{Code: "not-leading", Text: "this server does not lead and orders nothing; what runs goes on running",
		Next: "it leads again as soon as it can; if another server leads, ask that one"}}
	for _, p := range v.in.Troubles {
		if p.Code != "ledger-failing" {
			all = append(all, p)
		}
	}
	l.republish(v, all)
}

// republish is the view with other troubles, unless a newer one is there.
func (l *Loop) republish(v *view, troubles []status.Problem) {
	next := &view{in: v.in, input: v.input}
	next.in.Troubles, next.in.Now = troubles, l.cfg.Now()
	l.replace(v, next)
}
