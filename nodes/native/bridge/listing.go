package bridge

import (
	"errors"

	"github.com/vishvananda/netlink"
)

// whole lists until nothing changed meanwhile. The kernel answers in pieces, and
// marks a listing between whose pieces a link or route came or went; that is
// usual while many containers start, and the next listing is seldom cut as well.
func whole[T any](list func() ([]T, error)) ([]T, error) {
	const tries = 20
	var all []T
	var err error
	for range tries {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
	return nil, err
}

// links are all of this machine.
func (w *wire) links() ([]netlink.Link, error) { return whole(w.h.LinkList) }

// addresses are the IPv4 addresses of a link.
func (w *wire) addresses(link netlink.Link) ([]netlink.Addr, error) {
	return whole(func() ([]netlink.Addr, error) { return w.h.AddrList(link, netlink.FAMILY_V4) })
}

// routes are the IPv4 routes of the main table.
func (w *wire) routes() ([]netlink.Route, error) {
	return whole(func() ([]netlink.Route, error) {
		return w.h.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{}, 0)
	})
}
