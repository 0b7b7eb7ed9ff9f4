package schema

import "slices"

// Ordered is the strategy that replaces slots in place, by turns.
const Ordered = "ordered"

// Runbook is what an ordered update does around the change itself.
type Runbook struct {
	// First and Last are around the whole.
	First []Step `json:"first,omitempty"`
	Last  []Step `json:"last,omitempty"`
	// Before, After and Parallel are those of the one phase that there is where
	// Phases are none.
	Before   []Step  `json:"before,omitempty"`
	After    []Step  `json:"after,omitempty"`
	Parallel int     `json:"parallel,omitempty"`
	Phases   []Phase `json:"phases,omitempty"`
}

// Phase is some of the slots with the steps around each.
type Phase struct {
	Name string `json:"name"`
	// Slots are in the order of their turns; none are all that no other phase
	// names, the highest first.
	Slots []int `json:"slots,omitempty"`
	// Parallel is how many slots may be in their turn at once.
	Parallel int    `json:"parallel"`
	Before   []Step `json:"before,omitempty"`
	After    []Step `json:"after,omitempty"`
}

// Step is one thing to find out or to do: exactly one of Exec, HTTP, TCP and Run
// is set.
type Step struct {
	Name string   `json:"name"`
	Kind StepKind `json:"kind"`

	Exec *ExecCheck `json:"exec,omitempty"`
	HTTP *HTTPCheck `json:"http,omitempty"`
	TCP  *TCPCheck  `json:"tcp,omitempty"`
	Run  *OneShot   `json:"run,omitempty"`

	// Slot is whose instance; nil is that of the slot in its turn.
	Slot *int `json:"slot,omitempty"`
	// Timeout is for each try; Retries are tries after the first, Interval apart.
	Timeout  Duration `json:"timeout"`
	Retries  int      `json:"retries"`
	Interval Duration `json:"interval"`
	// Together begins it with the one before it.
	Together bool `json:"together,omitempty"`
}

// StepKind says whether a step may be asked any number of times.
type StepKind string

// The kinds of steps. A check changes nothing; an action is done again by its
// retries alone.
const (
	Check  StepKind = "check"
	Action StepKind = "action"
)

// OneShot is a container of its own for one step. It runs Image, or the
// workload's where that is empty; Pinned is the same by digest.
type OneShot struct {
	Image   string            `json:"image,omitempty"`
	Pinned  string            `json:"pinned,omitempty"`
	Command []string          `json:"command,omitempty"`
	Args    []string          `json:"args,omitempty"`
	Env     map[string]string `json:"env,omitempty"`
	User    string            `json:"user,omitempty"`
}

// Again is whether the step may be tried once more after that many tries, the
// last of which failed, or is not known to have ended where unknown says so: then
// a check is always asked again, an action only by its retries.
func (s *Step) Again(tries int, unknown bool) bool {
	return tries <= s.Retries || unknown && s.Kind == Check
}

// Turns are the phases of an ordered update of slots 0 to slots − 1, each with
// its slots in the order of their turns. Without a runbook there is one phase
// without steps.
func (u *Update) Turns(slots int) []Phase {
	b := u.Runbook
	if b == nil {
		b = &Runbook{}
	}
	phases := slices.Clone(b.Phases)
	if len(phases) == 0 {
		phases = []Phase{{Parallel: b.Parallel, Before: b.Before, After: b.After}}
	}
	named := map[int]bool{}
	for i := range phases {
		phases[i].Slots = slices.DeleteFunc(slices.Clone(phases[i].Slots), func(n int) bool { return n >= slots })
		for _, n := range phases[i].Slots {
			named[n] = true
		}
	}
	for i := range phases {
		phases[i].Parallel = max(phases[i].Parallel, 1)
		if len(b.Phases) > 0 && len(b.Phases[i].Slots) > 0 {
			continue
		}
		for n := slots - 1; n >= 0; n-- {
			if !named[n] {
				phases[i].Slots = append(phases[i].Slots, n)
			}
		}
	}
	return phases
}

// InPlace is how many slots of an ordered update may be down at once.
func (u *Update) InPlace(slots int) int { return max(u.MaxUnavailable.Floor(slots), 1) }

// stepLists are all lists of steps of an update, in their order.
func (u *Update) stepLists() (lists [][]Step) {
	if b := u.Runbook; b != nil {
		lists = append(lists, b.First, b.Before, b.After)
		for i := range b.Phases {
			lists = append(lists, b.Phases[i].Before, b.Phases[i].After)
		}
		lists = append(lists, b.Last)
	}
	for i := range u.Canary {
		lists = append(lists, u.Canary[i].Checks)
	}
	return lists
}

// OneShots are the containers of the workload's steps, in the order of the
// update. They are the very values that the workload holds.
func (w *Workload) OneShots() (all []*OneShot) {
	for _, list := range w.Update.stepLists() {
		for i := range list {
			if list[i].Run != nil {
				all = append(all, list[i].Run)
			}
		}
	}
	return all
}

// WithOneShots is the workload with pin's answer for the Pinned of each container
// of its steps. The workload itself stays as it is.
func (w Workload) WithOneShots(pin func(*OneShot) string) Workload {
	if len(w.OneShots()) == 0 {
		return w
	}
	pinned := func(list []Step) []Step {
		list = slices.Clone(list)
		for i := range list {
			if list[i].Run != nil {
				run := *list[i].Run
				run.Pinned = pin(&run)
				list[i].Run = &run
			}
		}
		return list
	}
	if w.Update.Runbook != nil {
		w.Update.Runbook = w.Update.Runbook.with(pinned)
	}
	w.Update.Canary = slices.Clone(w.Update.Canary)
	for i := range w.Update.Canary {
		s := &w.Update.Canary[i]
		s.Checks = pinned(s.Checks)
	}
	return w
}

// with is the runbook with each list changed.
func (b Runbook) with(change func([]Step) []Step) *Runbook {
	b.First, b.Before, b.After, b.Last = change(b.First), change(b.Before), change(b.After), change(b.Last)
	b.Phases = slices.Clone(b.Phases)
	for i := range b.Phases {
		p := &b.Phases[i]
		p.Before, p.After = change(p.Before), change(p.After)
	}
	return &b
}
