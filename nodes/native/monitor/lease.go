//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"encoding/json"
	"fmt"
	"math"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// What is leased ends once its lease is over, with an agent or without: the server
// may then give it to another node. An agent that lives ends it first, and tells
// why; the monitor is for the one that does not.

const (
	// leaseLook is how often a lease is looked at: timers stand still while the
	// machine sleeps.
	leaseLook = time.Second
	// leaseMargin is for an agent that lives.
	leaseMargin = time.Second
)

// heed gives the program another lease; nil is none.
func (m *monitor) heed(l *bundle.Lease) {
	m.leaseMu.Lock()
	defer m.leaseMu.Unlock()
	m.lease = l
	if l != nil && !m.leaseHeeded {
		m.leaseHeeded = true
		go m.keepLease()
	}
}

// tellLease heeds one and says so.
func (m *monitor) tellLease(c net.Conn, l *bundle.Lease) {
	m.heed(l)
	_ = c.SetWriteDeadline(time.Now().Add(requestTime))
	_ = json.NewEncoder(c).Encode(bundle.Ready{})
}

// keepLease ends the program once its lease is over.
func (m *monitor) keepLease() {
	tick := time.NewTicker(leaseLook)
	defer tick.Stop()
	for {
		select {
		case <-m.ended:
			return
		case <-tick.C:
		}
		if l := m.lapsed(); l != nil {
			m.exitLapsed.Store(true)
			m.endBy(l)
			return
		}
	}
}

// lapsed is the lease, if it is over. One whose file cannot be read is as long as it
// was known to be: it is never longer than an agent said.
func (m *monitor) lapsed() *bundle.Lease {
	m.leaseMu.Lock()
	defer m.leaseMu.Unlock()
	l := m.lease
	if l == nil {
		return nil
	}
	if until, ok := readLease(l); ok {
		l.Until = max(l.Until, until)
	}
	if sinceBoot() < l.Until+leaseMargin {
		return nil
	}
	return l
}

func readLease(l *bundle.Lease) (until time.Duration, ok bool) {
	b, err := os.ReadFile(l.File)
	if err != nil {
		return 0, false
	}
	var boot string
	if _, err := fmt.Sscan(string(b), &boot, &until); err != nil || boot != l.Boot {
		return 0, false
	}
	return until, true
}

// endBy ends the program by a lease. One that was told to end already is not told
// twice, which some take for another wish.
func (m *monitor) endBy(l *bundle.Lease) {
	if m.asked.Load() {
		m.killAfter(l.Grace)
		return
	}
	m.stop(l.Signal, l.Grace)
}

// sinceBoot reads a clock that runs while the machine sleeps.
func sinceBoot() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return math.MaxInt64 // what nobody can measure is over
	}
	return time.Duration(t.Nano())
}
