package forge

import (
	"context"
	"slices"
	"time"

	"github.com/bayplan/bayplan/reconciler"
)

// shown is the plan that people read in a pull request.
type shown struct {
	commit  string
	outline reconciler.Outline
	// text is the plan in one line.
	text string
	// written is when it was put there, by the forge's clock: an approval from before
	// is none of it.
	written time.Time
	// read is what the pull request's time was when its approvals were read, and
	// turn the look at which that was.
	read time.Time
	turn int
	// pinned are the approvals that were recorded.
	pinned []string
}

// approvalsPerLook bounds how many pull requests are asked for their approvals
// although nothing says that they have new ones.
const approvalsPerLook = 10

// approvals records who approved the plans that are shown, and who no longer does.
// Of those that are closed this is the last time; of the others, those that changed
// come first, and as many more as the forge will bear.
func (r *Review) approvals(ctx context.Context, open []Request) error {
	r.turn++
	by := map[int]*Request{}
	for i := range open {
		by[open[i].Number] = &open[i]
	}
	for n := range r.shown {
		if by[n] == nil {
			if err := r.lastApprovals(ctx, n); err != nil {
				return err
			}
		}
	}
	if err := r.outdated(ctx, by); err != nil {
		return err
	}
	for i, n := range r.inTurn(by) {
		s := r.shown[n]
		if i >= approvalsPerLook && s.read.Equal(by[n].Updated) {
			break
		}
		if err := r.approvalsOf(ctx, n, by[n].Author); err != nil {
			return err
		}
		s.read, s.turn = by[n].Updated, r.turn
	}
	return nil
}

// keepMerged is how long an approved plan waits for its commit once its pull request
// is merged. It is used up within seconds, unless an operator let the commit through.
const keepMerged = 24 * time.Hour

// outdated takes back the plans of pull requests that are neither open nor were so
// when this server last looked.
func (r *Review) outdated(ctx context.Context, open map[int]*Request) error {
	_, all := r.Cluster.Pins()
	for i := range all {
		n := all[i].Pull
		if n == 0 || open[n] != nil || r.shown[n] != nil {
			continue
		}
		since, known := r.merged[n]
		if !known {
			merged, err := r.Host.Merged(ctx, n)
			if err != nil {
				return err
			}
			if !merged {
				return r.unpin(ctx, n, "the pull request was closed", nil)
			}
			since = time.Now()
			r.merged[n] = since
		}
		if time.Since(since) > keepMerged {
			delete(r.merged, n)
			return r.unpin(ctx, n, "the pull request was merged long ago", nil)
		}
	}
	return nil
}

// inTurn are the open pull requests whose plans are shown: those that changed since
// their approvals were read, then those that were asked longest ago.
func (r *Review) inTurn(open map[int]*Request) (all []int) {
	for n := range r.shown {
		all = append(all, n)
	}
	rank := func(n int) int {
		if s := r.shown[n]; s.read.Equal(open[n].Updated) {
			return s.turn
		}
		return -1
	}
	slices.SortFunc(all, func(a, b int) int {
		if x, y := rank(a), rank(b); x != y {
			return x - y
		}
		return a - b
	})
	return all
}

// lastApprovals are those of a pull request that is no longer open. One that was
// not merged needs its plans no more.
func (r *Review) lastApprovals(ctx context.Context, number int) error {
	merged, err := r.Host.Merged(ctx, number)
	if err != nil {
		return err
	}
	if merged {
		err = r.approvalsOf(ctx, number, "")
	} else {
		err = r.unpin(ctx, number, "the pull request was closed", nil)
	}
	if err == nil {
		delete(r.shown, number)
	}
	return err
}

// approvalsOf records the approvals of the plan that is shown, but its author's
// own.
func (r *Review) approvalsOf(ctx context.Context, number int, author string) error {
	all, err := r.Host.Approvals(ctx, number)
	if err != nil {
		return err
	}
	if err := r.unpin(ctx, number, "the approval was taken back", all); err != nil {
		return err
	}
	s := r.shown[number]
	if len(s.outline.Texts) == 0 {
		return nil // what changes nothing needs no approval
	}
	for _, a := range all {
		v := reconciler.Voucher{Pull: number, Commit: s.commit, Actor: a.By, At: a.At}
		if a.By == author || a.Commit != "" && a.Commit != s.commit || !a.At.After(s.written) || slices.Contains(s.pinned, v.Key()) {
			continue
		}
		if err := r.Cluster.Pin(ctx, reconciler.PinnedPlan{Voucher: v, Outline: s.outline}); err != nil {
			return err
		}
		s.pinned = append(s.pinned, v.Key())
		r.Log.Info("plan approved", "number", number, "rev", s.commit, "actor", a.By)
	}
	told, known := r.told[number]
	if !known {
		return nil
	}
	return r.say(ctx, number, told.head, told.status.State, r.standing(number, &s.outline)+s.text)
}

// unpin takes back what is pinned of a pull request but by those who approve it
// still.
func (r *Review) unpin(ctx context.Context, number int, why string, by []Approval) error {
	for _, v := range r.pins(number) {
		if slices.ContainsFunc(by, func(a Approval) bool { return a.By == v.Actor }) {
			continue
		}
		if err := r.Cluster.Unpin(ctx, v.Voucher, why); err != nil {
			return err
		}
	}
	return nil
}

// pins are the plans of a pull request that are approved.
func (r *Review) pins(number int) []reconciler.PinnedPlan {
	_, all := r.Cluster.Pins()
	return slices.DeleteFunc(slices.Clone(all), func(p reconciler.PinnedPlan) bool { return p.Pull != number })
}

// standing tells how a plan stands to those of its pull request that were
// approved; "" where none was.
func (r *Review) standing(number int, o *reconciler.Outline) string {
	all := r.pins(number)
	if len(all) == 0 || len(o.Texts) == 0 {
		return ""
	}
	by, why := o.Outlined(all)
	if why != "" {
		return "no longer as approved (" + why + "): "
	}
	at := slices.IndexFunc(all, func(p reconciler.PinnedPlan) bool { return slices.Contains(by, p.Key()) })
	return "approved by " + all[at].Actor + ": "
}

// forget drops the pull requests that are no longer open.
func (r *Review) forget(open []Request) {
	is := map[int]bool{}
	for _, p := range open {
		is[p.Number] = true
	}
	for n := range r.told {
		if !is[n] {
			delete(r.planned, n)
			delete(r.told, n)
			delete(r.shown, n)
		}
	}
}
