package native

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/bayplan/bayplan/nodes/agent"
)

// portsFree looks whether a program on the host's network could listen where it
// is told to: who finds its port taken would only end, in its own words.
func (r *Runtime) portsFree(ctx context.Context, c agent.Container) error {
	for _, name := range slices.Sorted(maps.Keys(c.Ports)) {
		port := c.Ports[name]
		err := canListen(ctx, c.Workload.Ports[name].Protocol, netip.AddrPortFrom(r.publish, uint16(port)))
		if errors.Is(err, syscall.EADDRINUSE) {
			return portInUse(port, err)
		}
		if err != nil {
			return fmt.Errorf("port %d: %w", port, err)
		}
	}
	return nil
}

func canListen(ctx context.Context, protocol string, at netip.AddrPort) error {
	var l net.ListenConfig
	if protocol == "udp" {
		c, err := l.ListenPacket(ctx, "udp", at.String())
		if err != nil {
			return err
		}
		return c.Close()
	}
	c, err := l.Listen(ctx, "tcp", at.String())
	if err != nil {
		return err
	}
	return c.Close()
}
