package bridge

import (
	"context"
	"net/netip"
	"testing"
)

var background = context.Background()

func TestPublished_ReachableFromEverywhere(t *testing.T) {
	onEach(t, func(t *testing.T, b Backend) {
		other := neighbour(t)
		n := network(t, Config{Dir: t.TempDir(), Key: "a", Backend: b})
		web := attach(t, n, "web", both(20080, 8080)...)
		db := attach(t, n, "db")
		serve(t, web.Namespace, 8080, "web")
		gw := web.Gateway.String()

		expect(t, here, "127.0.0.1:20080", "web "+gw)
		expect(t, here, "192.0.2.1:20080", "web 192.0.2.1")
		expect(t, here, web.Address.String()+":8080", "web "+gw)
		expect(t, other, "192.0.2.1:20080", "web 192.0.2.2")
		expect(t, web.Namespace, "192.0.2.1:20080", "web "+gw)
		expect(t, web.Namespace, gw+":20080", "web "+gw)
		expect(t, db.Namespace, "192.0.2.1:20080", "web "+gw)
		expect(t, db.Namespace, web.Address.String()+":8080", "web "+db.Address.String())
	})
}

func TestContainer_ReachesOut(t *testing.T) {
	onBoth(t, func(t *testing.T, b Backend) {
		other := neighbour(t)
		n := network(t, Config{Dir: t.TempDir(), Key: "a", Backend: b})
		web := attach(t, n, "web")
		serve(t, other, 53, "far")
		expect(t, web.Namespace, "192.0.2.2:53", "far 192.0.2.1")
	})
}

func TestPublished_OnOneAddressOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, b Backend) {
		other := neighbour(t)
		n := network(t, Config{Dir: t.TempDir(), Key: "a", Backend: b, Publish: netip.MustParseAddr("192.0.2.1")})
		web := attach(t, n, "web", both(20080, 8080)...)
		serve(t, web.Namespace, 8080, "web")
		expect(t, other, "192.0.2.1:20080", "web 192.0.2.2")
		expect(t, here, "192.0.2.1:20080", "web 192.0.2.1")
		if got, err := call(t, here, "tcp", "127.0.0.1:20080"); err == nil {
			t.Errorf("127.0.0.1 answered %q", got)
		}
	})
}
