package native

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"

	"github.com/bayplan/bayplan/nodes/agent"
)

// portsFree looks whether a program on the host's network could listen where it
// is told to: who finds its port taken would only end, in its own words. Where the
// port was chosen for it, it may well listen on every address; one that the
// workload itself names may be another's on another address.
func (r *Runtime) portsFree(ctx context.Context, c agent.Container) error {
	for _, name := range slices.Sorted(maps.Keys(c.Ports)) {
		port, asked := c.Ports[name], c.Workload.Ports[name]
		at := ":" + strconv.Itoa(port)
		if asked.Host != 0 {
			at = netip.AddrPortFrom(r.publish, uint16(port)).String()
		}
		err := canListen(ctx, asked.Protocol, at)
		if errors.Is(err, syscall.EADDRINUSE) {
			return portInUse(port, err)
		}
		if err != nil {
			return fmt.Errorf("port %d: %w", port, err)
		}
	}
	return nil
}

func canListen(ctx context.Context, protocol, address string) error {
	var l net.ListenConfig
	if protocol == "udp" {
		c, err := l.ListenPacket(ctx, "udp", address)
		if err != nil {
			return err
		}
		return c.Close()
	}
	c, err := l.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return c.Close()
}
