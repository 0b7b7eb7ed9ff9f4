package agent

import (
	"slices"
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// How long the word of an engine is believed about what it does not own. A disk
// is full until what failed for it goes well. A port is tried anew after a
// moment, for what held it may have been there for no longer, and ever later
// while it turns out to be held still.
const (
	believed      = 10 * time.Minute
	portBelieved  = 5 * time.Second
	portRemembers = believed // after a belief ended, so that the next lasts longer
)

// busyPort is a port that a start found taken.
type busyPort struct {
	port int
	// until is when it is tried anew, unless an instance that was refused it
	// tries before; told is whether the Report names it until then.
	until time.Time
	told  bool
	// tries counts the starts in a row that found it taken by something else.
	tries int
	// ours is whether one of the node's own containers held it.
	ours bool
}

type notice struct {
	text  string
	until time.Time
}

// notice keeps what a failure says about the node itself.
func (s *step) notice(f *nodes.Failure) {
	switch {
	case f.Code == nodes.PortInUse && f.Port > 0:
		s.taken(f.Port)
	case f.Code == nodes.DiskFull:
		s.nodeChanged = s.nodeChanged || s.disk.text != f.Text
		s.disk = notice{f.Text, s.now.Add(believed)}
	}
}

func (s *step) taken(port int) {
	i := slices.IndexFunc(s.busy, func(b busyPort) bool { return b.port == port })
	if i < 0 {
		i = len(s.busy)
		s.busy = append(s.busy, busyPort{port: port})
	}
	b := &s.busy[i]
	b.tries++
	b.until = s.now.Add(backoff(portBelieved, believed, b.tries))
	b.ours = s.holds(port)
	s.nodeChanged, b.told = s.nodeChanged || !b.told, true
}

// roomAfter takes the word of a full disk back, once what failed for it, and was
// tried again, went well.
func (s *step) roomAfter(failed *nodes.Failure) {
	if failed != nil && failed.Code == nodes.DiskFull && s.disk.text != "" {
		s.disk, s.nodeChanged = notice{}, true
	}
}

// holds is whether a container of ours has the port.
func (s *step) holds(port int) bool {
	return slices.ContainsFunc(s.berths, func(l *berth) bool {
		return l.box != nil && l.box.State == StateRunning && hasPort(l.box.Ports, port)
	})
}

// refused is whether an instance that was refused the port is to try again: then
// its tries tell more than the time.
func (s *step) refused(port int) bool {
	return slices.ContainsFunc(s.berths, func(l *berth) bool {
		f := l.mem.Failure
		return l.order != nil && !l.order.Stop && f != nil && f.Code == nodes.PortInUse && f.Port == port && hasPort(l.order.Ports, port)
	})
}

func hasPort(ports map[string]int, port int) bool {
	for _, p := range ports {
		if p == port {
			return true
		}
	}
	return false
}

func (s *step) forgetNotices() {
	s.forgetEndings()
	s.busy = slices.DeleteFunc(s.busy, s.portFree)
	s.doubt()
	switch {
	case s.disk.text == "":
	case s.now.Before(s.disk.until):
		s.wake(s.disk.until)
	default:
		s.disk, s.nodeChanged = notice{}, true
	}
}

// portFree is whether nothing need be remembered of the port: a container of
// ours has it by now, or the one that had it is gone, or nobody asked for long.
func (s *step) portFree(b busyPort) bool {
	free := b.ours != s.holds(b.port) || !b.told && !s.now.Before(b.until.Add(portRemembers))
	s.nodeChanged = s.nodeChanged || free && b.told
	return free
}

// doubt lets beliefs end whose time is over.
func (s *step) doubt() {
	for i := range s.busy {
		b := &s.busy[i]
		told := b.ours || s.now.Before(b.until) || s.refused(b.port)
		s.nodeChanged = s.nodeChanged || told != b.told
		b.told = told
		if s.now.Before(b.until) {
			s.wake(b.until)
		}
	}
}

// BusyPorts are ports that something else was seen to hold, sorted.
func (s *Local) BusyPorts() []int {
	ports := []int{}
	for _, b := range s.busy {
		if b.told {
			ports = append(ports, b.port)
		}
	}
	slices.Sort(ports)
	return ports
}

// DiskFull is the engine's word that its disk is full, or "".
func (s *Local) DiskFull() string { return s.disk.text }
