package bridge

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// Port publishes a container's port on the host.
type Port struct {
	// Host and Container are 1 to 65535.
	Host      int `json:"host"`
	Container int `json:"container"`
	// Protocol is "tcp" or "udp"; empty is "tcp".
	Protocol string `json:"protocol"`
}

func (p Port) String() string { return fmt.Sprintf("%d/%s", p.Host, p.Protocol) }

// PortTakenError says that a host port cannot be published, since a process of
// this machine or another container has it. It wraps the system's error
// (EADDRINUSE, or EADDRNOTAVAIL for a Config.Publish that is not this machine's).
type PortTakenError struct {
	Port Port
	// Publish is the address that was tried.
	Publish netip.Addr
	// Holder is the id of this network's attachment that has it; empty is
	// somebody else.
	Holder string
	Err    error
}

func (e *PortTakenError) Error() string {
	if e.Holder != "" {
		return fmt.Sprintf("port %s on %s is published for %s", e.Port, e.Publish, e.Holder)
	}
	if errors.Is(e.Err, unix.EADDRNOTAVAIL) {
		return fmt.Sprintf("port %s on %s: that is no address of this machine; see which are: ip -4 addr", e.Port, e.Publish)
	}
	return fmt.Sprintf("port %s on %s is in use on this machine: %v; find who has it with: ss -lnp 'sport = :%d'", e.Port, e.Publish, e.Err, e.Port.Host)
}

func (e *PortTakenError) Unwrap() error { return e.Err }

// normal is the ports with their protocols filled in and sorted, so that the same
// ones are equal, or why they cannot be.
func normal(ports []Port) ([]Port, error) {
	out := make([]Port, 0, len(ports))
	seen := make(map[string]bool, len(ports))
	for _, p := range ports {
		if p.Protocol == "" {
			p.Protocol = "tcp"
		}
		if err := p.check(); err != nil {
			return nil, err
		}
		if seen[p.String()] {
			return nil, fmt.Errorf("port %s is asked for twice", p)
		}
		seen[p.String()] = true
		out = append(out, p)
	}
	slices.SortFunc(out, comparePorts)
	return out, nil
}

func comparePorts(a, b Port) int {
	return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Protocol, b.Protocol))
}

func (p Port) check() error {
	if p.Protocol != "tcp" && p.Protocol != "udp" {
		return fmt.Errorf("port %s: the protocol is neither tcp nor udp", p)
	}
	if p.Host < 1 || p.Host > 65535 || p.Container < 1 || p.Container > 65535 {
		return fmt.Errorf("port %s to %d: not within 1 to 65535", p, p.Container)
	}
	return nil
}

// holds are bound sockets.
type holds []int

// hold binds every port on addr.
func hold(addr netip.Addr, ports []Port) (holds, error) {
	var all holds
	for _, p := range ports {
		fd, err := bind(addr, p)
		if err != nil {
			all.release()
			return nil, &PortTakenError{Port: p, Publish: addr, Err: err}
		}
		all = append(all, fd)
	}
	return all, nil
}

func (h holds) release() {
	for _, fd := range h {
		_ = unix.Close(fd)
	}
}

// bind is a socket that has the port to itself and takes nothing from it.
func bind(addr netip.Addr, p Port) (int, error) {
	kind := unix.SOCK_STREAM
	if p.Protocol == "udp" {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	if err := claim(fd, addr, p); err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

func claim(fd int, addr netip.Addr, p Port) error {
	at := &unix.SockaddrInet4{Port: p.Host, Addr: addr.As4()}
	if p.Protocol == "udp" {
		// Nothing is read: what arrives before the rule does shall not pile up.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 0)
		return unix.Bind(fd, at)
	}
	return claimTCP(fd, at)
}

// claimTCP binds in spite of connections in TIME_WAIT (SO_REUSEADDR), which a
// host process that has just ended leaves; it listens for a moment, since only
// then does the kernel compare with sockets that are bound and do not listen;
// and it drops SO_REUSEADDR, so that nobody may listen beside it.
func claimTCP(fd int, at *unix.SockaddrInet4) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if err := unix.Bind(fd, at); err != nil {
		return err
	}
	if err := unix.Listen(fd, 1); err != nil {
		return err
	}
	if err := unix.Shutdown(fd, unix.SHUT_RDWR); err != nil {
		return err
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 0)
}
