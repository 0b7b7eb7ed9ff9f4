package bridge

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func TestPick_AvoidsWhatIsInUse(t *testing.T) {
	used := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("10.88.0.0/17"), netip.MustParsePrefix("10.88.128.0/18"), netip.MustParsePrefix("10.88.224.0/19")}
	for range 100 {
		p, err := pick(used)
		if err != nil || !netip.MustParsePrefix("10.88.192.0/19").Contains(p.Addr()) || p.Bits() != 24 {
			t.Fatal(p, err)
		}
	}
	if p, err := pick([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}); err == nil {
		t.Errorf("picked %s out of nothing", p)
	}
}

func TestNext_GivesEachAddressOnceAndTheLastOneLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := netip.PrefixFrom(netip.MustParseAddr("10.1.2.0"), rapid.IntRange(26, 30).Draw(t, "bits"))
		hosts := 1<<(32-p.Bits()) - 3
		used, order := map[netip.Addr]bool{}, []netip.Addr{}
		var last netip.Addr
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			a, err := next(p, last, used)
			if (err == nil) != (len(used) < hosts) {
				t.Fatalf("%d of %d in use: %s, %v", len(used), hosts, a, err)
			}
			if err == nil {
				if used[a] || !p.Contains(a) || minus(a, p.Addr()) < 2 || int(minus(a, p.Addr())) > hosts+1 || a == last && len(used) < hosts-1 {
					t.Fatalf("%s of %s after %s", a, p, last)
				}
				used[a], last, order = true, a, append(order, a)
			}
			if len(order) > 0 && (err != nil || rapid.Bool().Draw(t, "free")) {
				k := rapid.IntRange(0, len(order)-1).Draw(t, "which")
				delete(used, order[k])
				order = append(order[:k], order[k+1:]...)
			}
		}
	})
}

func TestOpen_KeepsItsRange(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	n := reopen(t, Config{Dir: dir, Key: "a"})
	first := n.Range()
	if _, err := Open(Config{Dir: dir, Key: "a", Log: quiet}); err == nil {
		t.Error("two processes use one directory")
	}
	attach(t, n, "web")
	must(t, n.Close(true)) // keeps what is in use
	if _, err := Open(Config{Dir: dir, Key: "a", Log: quiet, Range: netip.MustParsePrefix("10.99.0.0/24")}); err == nil {
		t.Error("the range changes under a container")
	}
	n = network(t, Config{Dir: dir, Key: "a"})
	if n.Range() != first {
		t.Errorf("range %s, was %s", n.Range(), first)
	}
}

func TestOpen_RefusesWhatCannotBe(t *testing.T) {
	needRoot(t)
	neighbour(t)
	for name, cfg := range map[string]Config{
		"no directory": {Key: "a"},
		"no key":       {Dir: t.TempDir()},
		"a key":        {Dir: t.TempDir(), Key: "a b"},
		"IPv6":         {Dir: t.TempDir(), Key: "a", Range: netip.MustParsePrefix("fd00::/64")},
		"too small":    {Dir: t.TempDir(), Key: "a", Range: netip.MustParsePrefix("10.0.0.0/31")},
		"in use":       {Dir: t.TempDir(), Key: "a", Range: netip.MustParsePrefix("192.0.2.0/25")},
		"publish":      {Dir: t.TempDir(), Key: "a", Publish: netip.IPv6Loopback()},
		"back end":     {Dir: t.TempDir(), Key: "a", Backend: "ipvs"},
	} {
		if n, err := Open(cfg); err == nil {
			t.Errorf("%s: opened", name)
			must(t, n.Close(true))
		}
	}
}
