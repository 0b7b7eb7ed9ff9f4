package agent

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
)

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
	s.partedBefore(list.Began)
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
	s.ranOut(l)
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
var endsLife = map[nodes.FailureCode]bool{nodes.Exited: true, nodes.OOMKilled: true, nodes.CommandNotFound: true, nodes.LeaseExpired: true}

func exitFailure(b *Status) nodes.Failure {
	f := nodes.Failure{Code: nodes.Exited, Text: fmt.Sprintf("exited with code %d", b.ExitCode), ExitCode: b.ExitCode, Part: b.Part}
	switch {
	case b.OOM:
		f.Code, f.Text = nodes.OOMKilled, "killed for using more memory than its limit"
		if b.Part != "" {
			f.Text = b.Error + ": " + f.Text
		}
	case b.Error != "" && (b.ExitCode == 126 || b.ExitCode == 127):
		f.Code, f.Text = nodes.CommandNotFound, b.Error // the container's init says so
	case b.Error != "":
		f.Text += ": " + b.Error
	}
	f.Text = nodes.CutText(f.Text)
	return f
}
