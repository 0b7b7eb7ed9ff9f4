package reconciler

import (
	"fmt"
	"slices"
	"time"

	"github.com/bayplan/bayplan/schema"
)

// Voucher is who approved a plan, of what.
type Voucher struct {
	// Repo is the repository that it is about; empty is the operators'.
	Repo string `json:"repo,omitempty"`
	// Pull is the pull request's number; zero where an operator pinned it.
	Pull int `json:"pull,omitempty"`
	// Commit is the one that was planned.
	Commit string    `json:"commit"`
	Actor  string    `json:"actor"`
	At     time.Time `json:"at"`
}

// Key tells one voucher from all others.
func (v *Voucher) Key() string {
	key := fmt.Sprintf("%d %s %s", v.Pull, v.Commit, v.Actor)
	if v.Repo != "" {
		key += " of " + v.Repo
	}
	return key
}

// String names what was approved for people.
func (v *Voucher) String() string {
	switch {
	case v.Pull == 0 && v.Commit == "":
		return "the plan that " + v.Actor + " pinned"
	case v.Pull == 0:
		return fmt.Sprintf("the plan of %s that %s pinned", schema.Revision{Commit: v.Commit}.Short(), v.Actor)
	}
	return fmt.Sprintf("the plan of pull request %d that %s approved", v.Pull, v.Actor)
}

// PinnedPlan is a plan that was approved and waits for its commit.
type PinnedPlan struct {
	Voucher
	Outline Outline `json:"outline"`
}

// MaxPlans and MaxPlanTexts bound the plans that wait, and what they say together.
const (
	MaxPlans     = 100
	MaxPlanTexts = 50_000
)

// PinPlan adds an approved plan, in the place of one of the same voucher. The oldest
// go where there are too many.
func PinPlan(f Facts, p PinnedPlan) (Facts, error) {
	if n := len(p.Outline.Texts); n > MaxPlanTexts {
		return f, refuse("it changes %d fields: a plan of more than %d is not pinned; merged, its commit is let through by: bayplan approve", n, MaxPlanTexts)
	}
	all := without(f.Plans, func(q *PinnedPlan) bool { return q.Key() == p.Key() })
	all = append(all, p)
	texts := 0
	for i := len(all) - 1; i >= 0; i-- {
		if texts += len(all[i].Outline.Texts); texts > MaxPlanTexts || len(all)-i > MaxPlans {
			all = all[i+1:]
			break
		}
	}
	f.Plans = all
	return f, nil
}

// PlansOf are those that are about one repository.
func PlansOf(all []PinnedPlan, repo string) []PinnedPlan {
	return without(all, func(p *PinnedPlan) bool { return p.Repo != repo })
}

// UnpinPlan takes an approval back.
func UnpinPlan(f Facts, key string) Facts {
	f.Plans = without(f.Plans, func(p *PinnedPlan) bool { return p.Key() == key })
	return f
}

func without(all []PinnedPlan, is func(*PinnedPlan) bool) []PinnedPlan {
	return slices.DeleteFunc(slices.Clone(all), func(p PinnedPlan) bool { return is(&p) })
}

// spendPlans uses the plans up that a commit carries out.
func (p *pass) spendPlans(keys []string) (by []Voucher) {
	if len(keys) == 0 {
		return nil
	}
	for i := range p.facts.Plans {
		if v := p.facts.Plans[i].Voucher; slices.Contains(keys, v.Key()) {
			by = append(by, v)
		}
	}
	p.facts.Plans = without(p.facts.Plans, func(q *PinnedPlan) bool { return slices.Contains(keys, q.Key()) })
	return by
}
