package agent

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// Local is what the agent remembers between steps. Only Memories outlive the
// process; all else is seen again in the next Listing.
type Local struct {
	// pass counts steps.
	pass uint64
	// asleep is until the first step, which has the time.
	asleep bool
	// listed is whether the engine answers.
	listed bool
	berths []*berth // sorted by ID
	// parted are the berths that were dropped since the engine was last asked: an
	// answer to an earlier question may still name them.
	parted []parting
	// matched are the orders that berths point into.
	matched []nodes.Order
	images  []*image // sorted by ref
	busy    []busyPort
	// erasures are sorted by slot, and deleted is what was last told of them.
	erasures []*erasure
	deleted  []nodes.Deleted
	// farewells are the Report's Endings.
	farewells []nodes.Ending
	disk      notice
	// shown is what the last step reported; spare is room for the next.
	shown, spare []nodes.Instance
	// nodeChanged is whether BusyPorts, DiskFull, Endings or Inventory changed in
	// this step.
	nodeChanged bool
}

// Memory is what must outlive the agent about one instance.
type Memory struct {
	ID string `json:"id"`
	// Restarts counts the lives after the first.
	Restarts int `json:"restarts,omitempty"`
	// Streak counts failures in a row: failed starts, and lives that were
	// shorter than the order's MaxBackoff.
	Streak int `json:"streak,omitempty"`
	// Next is the earliest instant of the next start.
	Next time.Time `json:"next,omitzero"`
	// Failure is why the last life ended or the last start failed.
	Failure *nodes.Failure `json:"failure,omitempty"`
	// Life is the start of the newest life seen; Ended is the Life whose end
	// was counted.
	Life  time.Time `json:"life,omitzero"`
	Ended time.Time `json:"ended,omitzero"`
	// Halted is whether that life was ended by the agent, to order.
	Halted bool `json:"halted,omitempty"`
	// Begun is whether a step was begun; Outcome is how it ended.
	Begun   bool           `json:"begun,omitempty"`
	Outcome *nodes.Outcome `json:"outcome,omitempty"`
	// Health, Since and Container are the Instance's while that life runs: a
	// restarted agent goes on reporting them until it knows better.
	Health    nodes.Health `json:"health,omitempty"`
	Since     time.Time    `json:"since,omitzero"`
	Container string       `json:"container,omitempty"`
}

// NewLocal begins with what an earlier process kept.
func NewLocal(kept []Memory) *Local {
	s := &Local{pass: 1, asleep: len(kept) > 0}
	for _, m := range kept {
		l := s.add(m.ID)
		l.mem, l.kept = m, m
		l.recall()
	}
	return s
}

// Pass numbers the newest step, for Listing.Began.
func (s *Local) Pass() uint64 { return s.pass }

// Inventory is whether the engine answered when it was last asked.
func (s *Local) Inventory() bool { return s.listed }

// Memories are what to keep, sorted by ID.
func (s *Local) Memories() []Memory {
	kept := make([]Memory, 0, len(s.berths))
	for _, l := range s.berths {
		if l.mem != (Memory{ID: l.mem.ID}) {
			kept = append(kept, l.mem)
		}
	}
	return kept
}

// berth is the place of one instance: its order, its container, or both.
type berth struct {
	mem, kept Memory
	order     *nodes.Order
	// box is the container as last known; nil is none.
	box *Status
	// busy is the Start, Stop, Remove, Note, Perform or Tail under way.
	busy      Verb
	cancelled bool
	// touched is the pass of the last begin or end of such an action, ordered
	// that in which the order to stop came, seen the Began of the last Listing
	// that tells about this instance.
	touched, ordered, seen uint64
	// gone is whether an order to stop was verified as carried out.
	gone bool
	// noted is whether this process wrote down that the step is begun, before it
	// begins it.
	noted bool
	// endTry is about stopping and removing, and about noting.
	endTry retry
	probe  probe
	// quoting is whether its last lines are being read.
	quoting bool

	// recalled is whether all that is known is what an earlier process kept.
	recalled bool
	// born is mem.Life on the agent's clock.
	born   time.Time
	life   int
	phase  nodes.Phase
	health nodes.Health
	since  time.Time
	// pull is the image or artifact that it waits for.
	pull *image
	// full tells of volumes that take no more; nil where there are none.
	full *nodes.Failure
}

// retry is a try that failed, and when the next is due.
type retry struct {
	streak  int
	next    time.Time
	failure *nodes.Failure
}

// image is one that orders want, or an artifact, whose ref is [schema.Artifact.Ref].
type image struct {
	ref     string
	present bool
	needed  bool
	// first is the first instance that waits for it.
	first     *berth
	busy      bool
	cancelled bool
	began     time.Time
	// fetched is how far its pull is, if somebody told.
	fetched *nodes.Fetched
	retry
}

func (s *Local) find(id string) (int, bool) {
	return slices.BinarySearchFunc(s.berths, id, func(l *berth, id string) int { return strings.Compare(l.mem.ID, id) })
}

func (s *Local) get(id string) *berth {
	if i, ok := s.find(id); ok {
		return s.berths[i]
	}
	return nil
}

func (s *Local) add(id string) *berth {
	i, ok := s.find(id)
	if ok {
		return s.berths[i]
	}
	l := &berth{mem: Memory{ID: id}, kept: Memory{ID: id}}
	for _, p := range s.parted {
		if p.id == id {
			l.touched = p.pass
		}
	}
	s.berths = slices.Insert(s.berths, i, l)
	return l
}

// parting is a berth that was dropped, and in which pass.
type parting struct {
	id   string
	pass uint64
}

// part notes that the berth is dropped.
func (s *Local) part(l *berth) { s.parted = append(s.parted, parting{l.mem.ID, s.pass}) }

// partedBefore forgets those that an answer to a question of that pass knows of.
func (s *Local) partedBefore(began uint64) {
	s.parted = slices.DeleteFunc(s.parted, func(p parting) bool { return p.pass <= began })
}

func (s *Local) image(ref string) *image {
	i, ok := slices.BinarySearchFunc(s.images, ref, func(m *image, ref string) int { return strings.Compare(m.ref, ref) })
	if !ok {
		s.images = slices.Insert(s.images, i, &image{ref: ref})
	}
	return s.images[i]
}

// begin is a new life: the only way for a phase to go back.
func (l *berth) begin(now time.Time) {
	l.life++
	l.since = now
	l.gone = false
	l.phase = nodes.Assigned
	if !l.mem.Life.IsZero() {
		l.phase = nodes.Starting
	}
	l.health = nodes.HealthUnknown
	l.probe = probe{busy: l.probe.busy}
}

// advance goes forward to p; going back within a life is ignored, as when an
// image that was there must be pulled again.
func (l *berth) advance(p nodes.Phase, now time.Time) {
	if p > l.phase {
		l.phase, l.since = p, now
	}
}

func (l *berth) setHealth(h nodes.Health, now time.Time) {
	if l.health != h {
		l.health, l.since = h, now
	}
}

// verified is whether a listing speaks of the instance as it is now.
func (l *berth) verified() bool {
	return l.busy == Idle && l.seen >= l.touched && l.seen >= l.ordered
}

func samePorts(a, b map[string]int) bool { return maps.Equal(a, b) }
