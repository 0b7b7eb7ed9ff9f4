package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes"
)

// Mark is an instant on a clock that runs while the machine sleeps: what has
// passed since it was booted.
type Mark time.Duration

// Tenant is a [Node] that runs some of its containers only for as long as the
// server hears the node.
type Tenant interface {
	// Mark is now, for who is about to send a message.
	Mark() Mark
	// Renew is told that the server hears the node, by a message that was sent
	// after the mark was taken, and which Assignment is the newest. What has lapsed
	// goes on only by that one, or a newer.
	Renew(m Mark, newest nodes.Version)
}

var _ Tenant = (*Agent)(nil)

// sinceBoot reads CLOCK_BOOTTIME.
func sinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic("agent: the kernel has no CLOCK_BOOTTIME: " + err.Error())
	}
	return time.Duration(t.Nano())
}

// Mark implements Tenant.
func (a *Agent) Mark() Mark { return Mark(a.cfg.SinceBoot()) }

// Renew implements Tenant. What has lapsed meanwhile has lapsed: its end begins
// before the lease does anew.
func (a *Agent) Renew(m Mark, newest nodes.Version) {
	a.mu.Lock()
	defer a.mu.Unlock()
	until, lapsed := Renewed(a.lease, a.Mark(), m, a.held.Version, newest)
	if until == a.lease {
		return
	}
	if lapsed && a.leased {
		a.step(Input{})
	}
	if a.lease = until; a.leased {
		a.keepLease()
	}
	if lapsed && a.leased {
		a.log.Info("the server is heard: what is leased may run")
		a.step(Input{})
	}
}

// leaseEnd is when the lease ends on the clock that reads now; mu is held.
func (a *Agent) leaseEnd(now time.Time) time.Time {
	return now.Add(time.Duration(a.lease - a.Mark()))
}

// depends notes whether anything runs by the lease, which is then written down;
// mu is held.
func (a *Agent) depends(leased bool) {
	began := leased && !a.leased
	if a.leased = leased; began {
		a.keepLease()
	}
}

// leaseLook is how often the lease is looked at while something depends on it:
// timers stand still while the machine sleeps.
const leaseLook = time.Second

// The lease is kept beside the state, so that an agent that is started anew
// knows how long what it finds may run. It is written often and never synced: it
// has to outlive the process and not the machine, whose boot it names.

func (s *store) leasePath() string { return filepath.Join(s.dir, "lease") }

// keepLease writes it down; mu is held. Where that fails, the next agent ends
// what is leased sooner than it had to.
func (a *Agent) keepLease() {
	if err := a.store.writeLease(a.cfg.BootID, a.lease); err != nil && !a.leaseTold {
		a.leaseTold = true
		a.log.Warn("lease not written down", "err", err)
	}
}

func (s *store) writeLease(boot string, until Mark) error {
	tmp := s.leasePath() + ".tmp"
	if err := os.WriteFile(tmp, fmt.Appendf(nil, "%s %d\n", boot, until), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, s.leasePath())
}

// readLease is zero, which is long over, where none was written since boot.
func (s *store) readLease(boot string) (Mark, error) {
	b, err := os.ReadFile(s.leasePath())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	var of string
	var until Mark
	if _, scan := fmt.Sscan(string(b), &of, &until); err != nil || scan != nil || of != boot {
		return 0, err
	}
	return until, nil
}

// bootID names this boot of the machine.
func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b)), err
}
