package agent

import (
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// How many actions a node has under way at once, by what they cost it.
const (
	// Starts bounds containers being created and started (I28): beyond 8 at
	// once an engine starts no more a second.
	Starts = 8
	// Pulls bounds images being pulled. One that takes longer than pullSlow
	// gives its place away, so that a registry that hangs holds nobody else
	// up; pullsInAll bounds those too.
	Pulls      = 8
	pullsInAll = 4 * Pulls
	pullSlow   = 30 * time.Second
	// stopsAtOnce is high because stopping is mostly waiting for a grace.
	stopsAtOnce = 64
	// probesAtOnce bounds health checks.
	probesAtOnce = 32
)

// How long an action may take before it counts as failed.
const (
	pullTimeout   = 15 * time.Minute
	startTimeout  = time.Minute
	stopMargin    = 30 * time.Second // on top of the grace
	removeTimeout = time.Minute
)

// Verb is what an Action does.
type Verb uint8

// The verbs. Cancel ends the Pull of Image, or else the Start of ID, that is
// under way.
const (
	Idle Verb = iota
	Pull
	Start
	Stop
	Remove
	Probe
	Cancel
)

var verbNames = [...]string{"idle", "pull", "start", "stop", "remove", "probe", "cancel"}

// String is the verb in lower case.
func (v Verb) String() string { return verbNames[v] }

// Action is one thing for the shell to do. It ends with exactly one Result,
// except for Cancel, which has none.
type Action struct {
	Verb Verb
	// ID is the instance's; for a Pull, of the first that waits for the image.
	ID string
	// Image is set for a Pull and its Cancel.
	Image string
	// Order is set for Pull, Start and Probe.
	Order *nodes.Order
	// Status is the container as last known, for a Probe.
	Status Status
	// Signal and Grace are set for a Stop.
	Signal string
	Grace  time.Duration
	// Timeout is when the shell gives up.
	Timeout time.Duration
}

// Result is how an Action ended.
type Result struct {
	Verb  Verb
	ID    string
	Image string
	// Status is the container after a Start that succeeded.
	Status *Status
	// Life is the Started of the container that a Probe looked at.
	Life time.Time
	// Failure is nil on success. At and Count are left to Step.
	Failure *nodes.Failure
	// Cancelled is whether it ended by a Cancel.
	Cancelled bool
}

// Listing is what the engine said it holds.
type Listing struct {
	// Began is the Local's Pass when the engine was asked: what an action
	// changed since, the listing cannot know.
	Began uint64
	// Items are sorted by ID.
	Items []Status
}

// Input is all that a step looks at.
type Input struct {
	// Local is the memory of earlier steps; Step moves it on in place.
	Local *Local
	// Orders are the Assignment's, sorted by ID. Step keeps pointers into them;
	// they are never changed.
	Orders []nodes.Order
	// Listing is set when one came since the last step.
	Listing *Listing
	// EngineDown is whether the engine failed to answer since the last step.
	EngineDown bool
	// Results are of actions that ended since the last step.
	Results []Result
	Now     time.Time
}

// Output is what a step decided.
type Output struct {
	// Actions are to be begun now, each on its own.
	Actions []Action
	// Instances are the Report's, sorted by ID. The slice is never changed.
	Instances []nodes.Instance
	// Changed is whether Instances or BusyPorts differ from the last step's.
	Changed bool
	// Durable is whether Memories changed: time to write them down.
	Durable bool
	// List asks for a Listing soon: something waits to be verified.
	List bool
	// Wake is the next instant at which a step could decide otherwise on the
	// same input; zero is never.
	Wake time.Time
}

// step is one call of Step.
type step struct {
	*Local
	now time.Time
	out Output
	// starts and pulls want to begin; their order is their turn.
	starts []*berth
	pulls  []*image
	// underway counts actions by verb, without slow pulls; pulling counts all
	// pulls, retrying the starts of instances that failed before.
	underway          [Cancel]int
	pulling, retrying int
}

// Step decides what to do next on a node.
//
// Given the same Local, Orders, Listing, Results and Now it decides the same.
// An action is issued once; the next for its instance waits for its Result.
func Step(in Input) Output {
	s := step{Local: in.Local, now: in.Now}
	s.pass++
	s.match(in.Orders)
	s.finish(in.Results)
	s.hear(in.Listing, in.EngineDown)
	s.count()
	s.decide()
	s.allot()
	s.forget()
	s.show()
	return s.out
}

// match gives each berth its order and makes berths for new orders, where the
// orders are not those of the last step.
func (s *step) match(orders []nodes.Order) {
	if len(orders) == len(s.matched) && (len(orders) == 0 || &orders[0] == &s.matched[0]) {
		return
	}
	s.matched = orders
	for _, l := range s.berths {
		if i, ok := slices.BinarySearchFunc(orders, l.mem.ID, orderByID); ok {
			s.take(l, &orders[i])
		} else {
			l.order, l.pull, l.endTry = nil, nil, retry{}
		}
	}
	for i := range orders {
		if _, ok := s.find(orders[i].ID); !ok {
			s.take(s.add(orders[i].ID), &orders[i])
		}
	}
}

func orderByID(o nodes.Order, id string) int { return strings.Compare(o.ID, id) }

// take notes what is new in an order.
func (s *step) take(l *berth, o *nodes.Order) {
	old := l.order
	l.order = o
	if old == o {
		return
	}
	if o.Stop && (old == nil || !old.Stop) {
		l.ordered, l.endTry = s.pass, retry{}
	}
	if !o.Stop && (old == nil || old.Stop) {
		l.endTry = retry{}
		l.begin(s.now)
	}
	if old != nil && !samePorts(old.Ports, o.Ports) {
		l.mem.Next, l.mem.Streak = time.Time{}, 0
	}
}

// decide moves every berth as far as it can go now.
func (s *step) decide() {
	for _, img := range s.images {
		img.needed = false
	}
	if !s.listed {
		return
	}
	for _, l := range s.berths {
		switch {
		case l.order == nil:
			l.watch(s.now)
		case l.order.Stop || l.misfit():
			s.end(l)
		default:
			s.run(l)
		}
	}
}

// allot begins what wants to begin, as far as the limits go.
func (s *step) allot() {
	if !s.listed {
		return
	}
	s.cancelPulls()
	s.allotPulls()
	slices.SortStableFunc(s.starts, byTurn)
	for _, l := range s.starts {
		if s.underway[Start] < Starts && (l.mem.Streak == 0 || s.retrying < Starts/2) {
			s.start(l)
		}
	}
}

// byTurn lets first tries go before retries and gives every workload its first
// slots before any its last.
func byTurn(a, b *berth) int {
	if f, g := a.mem.Streak > 0, b.mem.Streak > 0; f != g {
		if f {
			return 1
		}
		return -1
	}
	return a.order.Slot.Index - b.order.Slot.Index
}

func (s *step) start(l *berth) {
	l.busy, l.touched = Start, s.pass
	l.advance(nodes.Starting, s.now)
	s.underway[Start]++
	if l.mem.Streak > 0 {
		s.retrying++
	}
	s.act(Action{Verb: Start, ID: l.mem.ID, Order: l.order, Timeout: startTimeout})
}

func (s *step) allotPulls() {
	slices.SortStableFunc(s.pulls, func(a, b *image) int { return min(a.streak, 1) - min(b.streak, 1) })
	for _, img := range s.pulls {
		if s.underway[Pull] >= Pulls || s.pulling >= pullsInAll {
			continue
		}
		img.busy, img.began = true, s.now
		s.underway[Pull]++
		s.pulling++
		s.wake(s.now.Add(pullSlow))
		s.act(Action{Verb: Pull, ID: img.first.mem.ID, Image: img.ref, Order: img.first.order, Timeout: pullTimeout})
	}
}

// cancelPulls ends the pulls that nobody waits for any more.
func (s *step) cancelPulls() {
	for _, img := range s.images {
		if img.busy && !img.needed && !img.cancelled {
			img.cancelled = true
			s.act(Action{Verb: Cancel, Image: img.ref})
		}
	}
}

func (s *step) act(a Action) { s.out.Actions = append(s.out.Actions, a) }

// wake asks for a step at t, if nothing earlier is asked for.
func (s *step) wake(t time.Time) {
	if s.out.Wake.IsZero() || t.Before(s.out.Wake) {
		s.out.Wake = t
	}
}

// imageOf is what a node pulls: the digest where it is known.
func imageOf(w *schema.Workload) string {
	if w.Pinned != "" {
		return w.Pinned
	}
	return w.Image
}
