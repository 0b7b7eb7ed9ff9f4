package bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
)

// A container may send its neighbours and the host whatever frame it likes; a raw
// socket is all that takes. One Router Advertisement would give everybody on the
// bridge, the host first of all, a default IPv6 route that leads to this container
// (CVE-2020-13401), and a redirect would do as much for a single destination. The
// network is IPv4 with routes that are ours to set: its links hear neither, and
// have no IPv6 at all.

// deaf are the settings of such a link, under net/<family>/conf/<link>.
// disable_ipv6 also takes away what a link has learnt before.
var deaf = []struct{ family, name, value string }{
	{"ipv6", "accept_ra", "0"},
	{"ipv6", "accept_redirects", "0"},
	{"ipv6", "disable_ipv6", "1"},
	{"ipv4", "accept_redirects", "0"},
	{"ipv4", "send_redirects", "0"},
}

// deafen makes a link of this thread's namespace deaf, before it goes up where
// that can be; or, called "default", every link that comes later. A kernel
// without IPv6 has not all of the settings, nor has a link that is not there.
func deafen(link string) error {
	for _, d := range deaf {
		err := sysctl(path.Join("net", d.family, "conf", link, d.name), d.value)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("making %s deaf to routers: %w", link, err)
		}
	}
	return nil
}

// deafenInside does it for a container's namespace, which is this thread's, with
// its link there or yet to come. Its lo keeps ::1. Of accept_redirects for IPv4 a
// namespace that does not forward takes the more lenient of "all" and the link's.
func deafenInside() error {
	if err := sysctl("net/ipv4/conf/all/accept_redirects", "0"); err != nil {
		return err
	}
	return errors.Join(deafen("default"), deafen(inside))
}

// deafenFormer does it for what a former process attached: that may have been of
// an earlier version. Trouble is told, and stops nobody: a container that runs is
// to go on, and the bridge, the host's own ear, is deaf by then.
func (n *Network) deafenFormer(former map[string]record) {
	wanted := map[uint64]bool{}
	for _, r := range former {
		if !n.wire.has(r.Link) { // after a reboot the inode is somebody else's
			continue
		}
		wanted[r.Inode] = true
		if err := deafen(r.Link); err != nil {
			n.cfg.Log.Warn("a link of a container still listens to routers", "container", r.ID, "err", err)
		}
	}
	for _, s := range search(wanted) {
		if err := s.within(deafenInside); err != nil {
			n.cfg.Log.Warn("a container still listens to routers", "namespace", s.inode, "err", err)
		}
		s.close()
	}
}
