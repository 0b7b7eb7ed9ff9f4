package agent

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// finish takes in how actions ended.
func (s *step) finish(results []Result) {
	for i := range results {
		r := &results[i]
		if r.Failure != nil {
			s.notice(r.Failure)
		}
		if r.Verb == Pull {
			s.pulled(r)
		} else if r.Verb == Erase {
			s.erased(r)
		} else if l := s.get(r.ID); l != nil {
			s.ended(l, r)
		}
	}
}

func (s *step) ended(l *berth, r *Result) {
	switch r.Verb {
	case Probe:
		s.probed(l, r)
		return
	case Quote:
		s.quoted(l, r)
		return
	case Start:
		s.started(l, r)
	case Stop, Remove:
		s.halted(l, r)
	case Note:
		s.noted(l, r)
	case Perform, Tail:
		s.performed(l, r)
	}
	l.busy, l.cancelled, l.touched = Idle, false, s.pass
}

func (s *step) started(l *berth, r *Result) {
	if r.Failure == nil && r.Status != nil {
		s.roomAfter(l.mem.Failure)
		l.box = r.Status
		s.lives(l)
		return
	}
	if r.Failure == nil || r.Cancelled || l.order == nil || l.order.Stop {
		return
	}
	if r.Failure.Code == nodes.ImageNotFound {
		for ref := range sourcesOf(l.order.Workload) {
			s.image(ref).present = false
		}
	}
	s.fail(l, *r.Failure, s.now)
}

// fail counts a failure and sets the next try.
func (s *step) fail(l *berth, f nodes.Failure, at time.Time) {
	l.mem.Streak++
	f.At, f.Count = at, l.mem.Streak
	if was := l.mem.Failure; was != nil && was.Code == f.Code {
		f.Log = was.Log // of the life before, until this one's is read
	}
	l.mem.Failure = &f
	l.mem.Next = at.Add(max(restartBackoff(l.order, l.mem.Streak), minBackoff))
}

func (s *step) halted(l *berth, r *Result) {
	if r.Failure != nil {
		l.endTry.fail(*r.Failure, s.now)
		return
	}
	l.endTry = retry{}
	switch {
	case r.Verb == Remove:
		l.box, l.seen = nil, s.pass
	case l.box != nil:
		ended := *l.box
		ended.State, ended.Finished, ended.Address, ended.Left = StateExited, s.now, "", false
		l.box = &ended
	}
}

// The back-off of what belongs to the node and to no workload: pulls, stops
// and removals.
const (
	nodeBackoff    = time.Second
	nodeBackoffMax = time.Minute
)

func (t *retry) fail(f nodes.Failure, now time.Time) {
	t.streak++
	f.At, f.Count = now, t.streak
	t.failure = &f
	t.next = now.Add(backoff(nodeBackoff, nodeBackoffMax, t.streak))
}

// backoff doubles from base with every failure after the first, up to most.
func backoff(base, most time.Duration, failures int) time.Duration {
	d := base
	for range failures - 1 {
		if d >= most {
			break
		}
		d *= 2
	}
	return min(d, most)
}

// minBackoff keeps a workload that asks for none from spinning: it lies between a
// failed start and the next one, and between the beginnings of two lives.
const minBackoff = 100 * time.Millisecond

func restartBackoff(o *nodes.Order, failures int) time.Duration {
	base, most := restartBounds(o)
	return backoff(base, most, failures)
}

func restartBounds(o *nodes.Order) (base, most time.Duration) {
	base = o.Workload.Restart.Backoff.D()
	return base, max(o.Workload.Restart.MaxBackoff.D(), base, minBackoff)
}

func (s *step) pulled(r *Result) {
	img := s.image(r.Image)
	img.busy, img.cancelled, img.fetched = false, false, nil
	switch {
	case r.Failure == nil:
		s.roomAfter(img.failure)
		img.present, img.retry = true, retry{}
	case !r.Cancelled:
		img.retry.fail(*r.Failure, s.now)
	}
}

// fetched takes in how far pulls are.
func (s *step) fetched(all []Fetched) {
	for i := range all {
		if img := s.image(all[i].Image); img.busy {
			img.fetched = &all[i].Fetched
		}
	}
}

// hear takes in what the engine holds, except where an action knows better.
func (s *step) hear(list *Listing, down bool) {
	if down && s.listed {
		s.listed, s.nodeChanged = false, true
	}
	if list == nil {
		return
	}
	if !s.listed {
		s.listed, s.nodeChanged = true, true
		s.engineBack()
	}
	for i := range list.Items {
		s.add(list.Items[i].ID)
	}
	for _, l := range s.berths {
		if l.busy == Idle && l.touched <= list.Began {
			l.seen = list.Began
			s.hold(l, list.Items)
		}
	}
}

// engineBack forgets back-offs that were the engine's fault.
func (s *step) engineBack() {
	for _, l := range s.berths {
		if f := l.mem.Failure; f != nil && f.Code == nodes.EngineDown {
			l.mem.Next, l.mem.Streak, l.mem.Failure = time.Time{}, 0, nil
		}
		l.endTry = retry{}
	}
	for _, img := range s.images {
		img.retry = retry{}
	}
}

func (s *step) hold(l *berth, items []Status) {
	l.recalled = false
	i, ok := slices.BinarySearchFunc(items, l.mem.ID, func(x Status, id string) int { return strings.Compare(x.ID, id) })
	if !ok {
		l.box = nil
		return
	}
	l.box = &items[i]
	s.lives(l)
	s.fills(l)
}

// fills notes volumes that take no more, and since when.
func (s *step) fills(l *berth) {
	names := strings.Join(l.box.Full, ", ")
	text := "no more fits into its volumes " + names
	if len(l.box.Full) == 1 {
		text = "no more fits into its volume " + names
	}
	switch {
	case names == "":
		l.full = nil
	case l.full == nil || l.full.Text != text:
		l.full = &nodes.Failure{Code: nodes.VolumeFull, Text: text, At: s.now, Count: 1}
	}
}

// lives notices that a container began another life.
func (s *step) lives(l *berth) {
	b, m := l.box, &l.mem
	if b.State == StateCreated || b.Started.IsZero() {
		return
	}
	another := !b.Started.Equal(m.Life)
	if another || l.born.IsZero() {
		l.born = s.instant(b.Started)
	}
	if !another {
		return
	}
	if !m.Life.IsZero() {
		m.Restarts++
	}
	m.Life, m.Halted = b.Started, false
	if m.Failure != nil && !endsLife[m.Failure.Code] {
		m.Failure = nil
	}
	l.probe = probe{busy: l.probe.busy}
	if l.phase >= nodes.Running {
		l.begin(s.now)
	}
}

// died counts the end of a life, once.
func (s *step) died(l *berth) {
	m := &l.mem
	if m.Ended.Equal(m.Life) {
		return
	}
	m.Ended = m.Life
	l.begin(s.now)
	if m.Halted {
		return
	}
	at, f := s.now, nodes.Failure{Code: nodes.Exited, Text: "its container was removed by someone else", ExitCode: unknownExit}
	if b := l.box; b != nil {
		at, f = s.instant(b.Finished), exitFailure(b)
	}
	if _, most := restartBounds(l.order); at.Sub(l.born) >= most {
		m.Streak = 0
	}
	s.fail(l, f, at)
	s.quote(l)
	l.mem.Next = later(at.Add(restartBackoff(l.order, m.Streak)), l.born.Add(minBackoff))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// unknownExit is the ExitCode of a life whose end nobody saw.
const unknownExit = -1

// instant is an engine's time on the agent's clock; now, where it is missing or
// ahead.
func (s *step) instant(t time.Time) time.Time {
	if t.IsZero() || t.After(s.wall) {
		return s.now
	}
	return s.now.Add(t.Sub(s.wall))
}

// endsLife are the failures that tell how a life ended; they stay while the next
// one runs.
var endsLife = map[nodes.FailureCode]bool{nodes.Exited: true, nodes.OOMKilled: true, nodes.CommandNotFound: true}

func exitFailure(b *Status) nodes.Failure {
	f := nodes.Failure{Code: nodes.Exited, Text: fmt.Sprintf("exited with code %d", b.ExitCode), ExitCode: b.ExitCode}
	switch {
	case b.OOM:
		f.Code, f.Text = nodes.OOMKilled, "killed for using more memory than its limit"
	case b.Error != "" && (b.ExitCode == 126 || b.ExitCode == 127):
		f.Code, f.Text = nodes.CommandNotFound, b.Error // the container's init says so
	case b.Error != "":
		f.Text += ": " + b.Error
	}
	f.Text = nodes.CutText(f.Text)
	return f
}

// count is how much is under way.
func (s *step) count() {
	for _, l := range s.berths {
		if l.busy != Idle {
			s.underway[l.busy]++
		}
		if l.busy == Start && l.mem.Streak > 0 {
			s.retrying++
		}
		if l.probe.busy {
			s.underway[Probe]++
		}
		if l.quoting {
			s.underway[Quote]++
		}
	}
	for _, img := range s.images {
		if !img.busy {
			continue
		}
		s.pulling++
		if age := s.now.Sub(img.began); age < pullSlow {
			s.underway[Pull]++
			s.wake(img.began.Add(pullSlow))
		}
	}
}
