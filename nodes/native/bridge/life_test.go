package bridge

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/nftables"
)

func TestAttach_SameIDIsTheSame(t *testing.T) {
	needRoot(t)
	n := network(t, Config{Dir: t.TempDir(), Key: "a"})
	first := attach(t, n, "web", both(20080, 8080)...)
	ports := both(20080, 8080)
	slices.Reverse(ports) // the order says nothing
	if second := attach(t, n, "web", ports...); first != second {
		t.Errorf("%+v, then %+v", first, second)
	}
	if _, err := n.Attach(t.Context(), "web", nil); err == nil {
		t.Error("other ports are not refused")
	}
	must(t, n.Detach(t.Context(), "web"))
	must(t, n.Detach(t.Context(), "web"))
	if again := attach(t, n, "web"); again.Address == first.Address {
		t.Errorf("address %s is used again at once", again.Address)
	}
}

func TestAttach_RefusesATakenPort(t *testing.T) {
	onBoth(t, func(t *testing.T, b Backend) {
		before := look(t)
		t.Run("port", func(t *testing.T) {
			n := network(t, Config{Dir: t.TempDir(), Key: "a", Backend: b})
			other := network(t, Config{Dir: t.TempDir(), Key: "b", Backend: b})
			attach(t, n, "web", both(20080, 8080)...)
			l, err := net.Listen("tcp4", "127.0.0.1:20081")
			must(t, err)
			defer l.Close()
			refused(t, n, 20080, "web")
			refused(t, other, 20080, "")
			refused(t, n, 20081, "")
			must(t, n.Detach(t.Context(), "web"))
			attach(t, other, "web", both(20080, 8080)...)
		})
		sameAs(t, before)
	})
}

// refused wants the port to be taken, and nothing made.
func refused(t *testing.T, n *Network, port int, holder string) {
	t.Helper()
	_, err := n.Attach(t.Context(), "late", []Port{{port, 80, "tcp"}})
	var taken *PortTakenError
	if !errors.As(err, &taken) || taken.Port.Host != port || taken.Holder != holder || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("port %d of %q: %v", port, holder, err)
	}
	if _, there := n.lookUp("late"); there || n.holdingOf("late") != nil {
		t.Errorf("port %d: something is left of the attachment", port)
	}
}

func TestAttach_MadeImpossibleLeavesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, b Backend) {
		n := network(t, Config{Dir: t.TempDir(), Key: "a", Backend: b})
		before := look(t)
		n.ruler = &failing{n.ruler}
		if _, err := n.Attach(t.Context(), "web", both(20080, 80)); !errors.Is(err, errBroken) {
			t.Error(err)
		}
		sameAs(t, before)
		if err := listen("tcp", 20080); err != nil {
			t.Errorf("the port is still held: %v", err)
		}
	})
}

var errBroken = errors.New("broken")

// failing is a ruler that publishes and then says that it did not.
type failing struct{ ruler }

func (f *failing) publish(some, all []rule) error {
	return errors.Join(errBroken, f.ruler.publish(some, all))
}

func TestNetworks_SideBySide(t *testing.T) {
	onBoth(t, func(t *testing.T, b Backend) {
		before := look(t)
		t.Run("two", func(t *testing.T) {
			other := neighbour(t)
			one := network(t, Config{Dir: t.TempDir(), Key: "one", Backend: b})
			two := network(t, Config{Dir: t.TempDir(), Key: "two", Backend: b})
			if one.Range().Overlaps(two.Range()) {
				t.Fatalf("ranges %s and %s", one.Range(), two.Range())
			}
			web, db := attach(t, one, "c", both(20080, 80)...), attach(t, two, "c", both(20081, 80)...)
			serve(t, web.Namespace, 80, "web")
			serve(t, db.Namespace, 80, "db")
			expect(t, other, "192.0.2.1:20080", "web 192.0.2.2")
			expect(t, other, "192.0.2.1:20081", "db 192.0.2.2")
			expect(t, web.Namespace, "192.0.2.1:20081", "db "+db.Gateway.String())
			must(t, one.Sweep(t.Context(), nil))
			must(t, two.Sweep(t.Context(), nil))
			expect(t, here, "127.0.0.1:20080", "web "+web.Gateway.String())
			expect(t, here, "127.0.0.1:20081", "db "+db.Gateway.String())
			must(t, one.Detach(t.Context(), "c"))
			expect(t, here, "127.0.0.1:20081", "db "+db.Gateway.String())
		})
		sameAs(t, before)
	})
}

func TestSweep_PutsBackWhatWasFlushed(t *testing.T) {
	needRoot(t)
	n := network(t, Config{Dir: t.TempDir(), Key: "a", Backend: Nftables})
	web := attach(t, n, "web", both(20080, 8080)...)
	serve(t, web.Namespace, 8080, "web")
	flush := func() {
		c := &nftables.Conn{}
		c.FlushRuleset()
		must(t, c.Flush())
	}
	flush()
	must(t, n.Sweep(t.Context(), nil))
	expect(t, here, "127.0.0.1:20080", "web "+web.Gateway.String())
	flush()
	attach(t, n, "db", both(20081, 8080)...) // finds the table gone, and makes it whole
	expect(t, here, "127.0.0.1:20080", "web "+web.Gateway.String())
	flush()
	must(t, n.Detach(t.Context(), "db"))
	expect(t, here, "127.0.0.1:20080", "web "+web.Gateway.String())
}

func TestSweep_PutsTheBridgeBack(t *testing.T) {
	needRoot(t)
	n := network(t, Config{Dir: t.TempDir(), Key: "a"})
	web, db := attach(t, n, "web", both(20080, 8080)...), attach(t, n, "db")
	serve(t, web.Namespace, 8080, "web")
	must(t, n.wire.drop(n.Bridge()))
	must(t, n.Sweep(t.Context(), nil))
	expect(t, here, "127.0.0.1:20080", "web "+web.Gateway.String())
	expect(t, db.Namespace, web.Address.String()+":8080", "web "+db.Address.String())
}

func TestAttach_TwoHundredAtOnceLeakNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, b Backend) {
		total := 200
		if b == Iptables {
			total = 16
		}
		before := look(t)
		t.Run("all", func(t *testing.T) {
			n := network(t, Config{Dir: t.TempDir(), Key: "many", Backend: b})
			settled, open := look(t), descriptors(t)
			churn(t, n, total)
			sameAs(t, settled)
			if now := descriptors(t); now != open {
				t.Errorf("%d open files, were %d", now, open)
			}
			if left, _ := os.ReadDir(n.store.dir + "/attached"); len(left) > 0 {
				t.Errorf("records left: %v", left)
			}
		})
		sameAs(t, before)
	})
}

// churn attaches and detaches from 8 sides, and wants addresses to differ.
func churn(t *testing.T, n *Network, total int) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	owners := map[string]string{}
	for side := range 8 {
		wg.Go(func() {
			for i := range total / 8 {
				id := fmt.Sprintf("c%d.%d", side, i)
				a, err := n.Attach(background, id, both(20000+side*1000+i, 80))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if o := owners[a.Address.String()]; o != "" {
					t.Errorf("%s has the address of %s", id, o)
				}
				owners[a.Address.String()] = id
				mu.Unlock()
				leave(t, n, id, func() { mu.Lock(); delete(owners, a.Address.String()); mu.Unlock() })
			}
		})
	}
	wg.Wait()
}

// leave detaches id; just before, its address is nobody's for the test.
func leave(t *testing.T, n *Network, id string, before func()) {
	before()
	if err := n.Detach(background, id); err != nil {
		t.Error(err)
	}
}

// descriptors counts this process's open files but those of the runtime.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	count := 0
	for _, e := range all {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && !strings.HasPrefix(to, "anon_inode:") {
			count++
		}
	}
	return count
}

// Who opens a network again does not wait for its rules, who attaches to it does;
// and where they cannot be made, Attach says so and Sweep tries again.
func TestOpen_AgainMakesTheRulesByItself(t *testing.T) {
	onBoth(t, func(t *testing.T, b Backend) {
		cfg := Config{Dir: t.TempDir(), Key: "a", Backend: b}
		n := reopen(t, cfg)
		must(t, n.Close(false))
		n = network(t, cfg)
		n.opening.Wait()
		if !n.ruled.Load() {
			t.Fatal("the rules were not made")
		}
		n.ruling.Lock()
		n.ruled.Store(false)
		works := n.ruler
		n.ruler = &unruly{works}
		n.ruling.Unlock()
		if _, err := n.Attach(t.Context(), "web", nil); err == nil {
			t.Error("it was attached without rules")
		}
		n.ruling.Lock()
		n.ruler = works
		n.ruling.Unlock()
		must(t, n.Sweep(t.Context(), nil))
		attach(t, n, "web")
	})
}

type unruly struct{ ruler }

func (u *unruly) replace([]rule) error { return errBroken }
