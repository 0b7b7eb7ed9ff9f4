package nodes

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"
)

// What one node may say of itself. It is far above what a node needs, and far
// below what would keep a server from serving the others.
const (
	MaxInstances      = 4096
	MaxIdentifier     = 512     // bytes of an ID, a slot, a digest, a container, an address
	MaxText           = 1 << 10 // bytes of a sentence for people; longer ones are cut
	MaxAttributes     = 64
	MaxAttributeBytes = 16 << 10 // keys and values together
	MaxPorts          = 64       // of one instance
	MaxPortName       = 64       // bytes
	MaxBusyPorts      = 1000
	maxPort           = 65535
	maxCPU            = 1_000_000_000 // a million processors
	maxMemory         = 1 << 50       // bytes
)

// Bound refuses a report that is over a limit, and cuts its texts.
func (r *Report) Bound() error {
	if err := r.Node.Bound(); err != nil {
		return err
	}
	return errors.Join(boundInstances(r.Instances), boundDeleted(r.Deleted), boundEndings(r.Endings))
}

// Bound is Report.Bound's like for a Change. What it makes of a Report is to be
// bounded too.
func (c *Change) Bound() error {
	if c.Node != nil {
		if err := c.Node.Bound(); err != nil {
			return err
		}
	}
	if n := len(c.Gone); n > MaxInstances {
		return fmt.Errorf("%d instances are gone, over the limit of %d", n, MaxInstances)
	}
	for _, id := range c.Gone {
		if err := boundText("the ID of what is gone", id, MaxIdentifier); err != nil {
			return err
		}
	}
	return errors.Join(boundInstances(c.Instances), boundDeleted(c.Deleted), boundEndings(c.Endings))
}

// Bound refuses a description that is over a limit, and cuts its texts.
func (n *Node) Bound() error {
	if err := n.boundSizes(); err != nil {
		return err
	}
	n.Runtime, n.Version, n.Trouble = CutText(n.Runtime), CutText(n.Version), CutText(n.Trouble)
	if err := boundText("the address", n.Address, MaxIdentifier); err != nil {
		return err
	}
	return boundAttributes(n.Attributes)
}

func (n *Node) boundSizes() error {
	a := n.Allocatable
	switch {
	case a.CPU < 0 || a.CPU > maxCPU || a.Memory < 0 || a.Memory > maxMemory:
		return fmt.Errorf("%s of processor and %s of memory are no machine's", a.CPU, a.Memory)
	case n.PortMin < 0 || n.PortMax > maxPort:
		return fmt.Errorf("ports %d to %d are no range within 1 to %d", n.PortMin, n.PortMax, maxPort)
	case len(n.BusyPorts) > MaxBusyPorts:
		return fmt.Errorf("%d busy ports, over the limit of %d", len(n.BusyPorts), MaxBusyPorts)
	}
	return nil
}

func boundAttributes(all map[string]string) error {
	if len(all) > MaxAttributes {
		return fmt.Errorf("%d attributes, over the limit of %d", len(all), MaxAttributes)
	}
	size := 0
	for k, v := range all {
		size += len(k) + len(v)
	}
	if size > MaxAttributeBytes {
		return fmt.Errorf("attributes of %d bytes, over the limit of %d", size, MaxAttributeBytes)
	}
	return nil
}

func boundInstances(all []Instance) error {
	if n := len(all); n > MaxInstances {
		return fmt.Errorf("%d instances, over the limit of %d", n, MaxInstances)
	}
	for k := range all {
		if err := all[k].bound(); err != nil {
			return fmt.Errorf("instance %q: %w", CutText(all[k].ID), err)
		}
	}
	return nil
}

// boundDeleted allows as many as there may be instances.
func boundDeleted(all []Deleted) error {
	if n := len(all); n > MaxInstances {
		return fmt.Errorf("%d deletions, over the limit of %d", n, MaxInstances)
	}
	for k := range all {
		if err := boundText("the slot of a deletion", all[k].Slot.Workload, MaxIdentifier); err != nil {
			return err
		}
		if f := all[k].Failure; f != nil {
			f.Text = CutText(f.Text)
			if err := boundText("the code of its failure", string(f.Code), MaxIdentifier); err != nil {
				return err
			}
		}
	}
	return nil
}

func (i *Instance) bound() error {
	for _, s := range []struct{ what, text string }{
		{"ID", i.ID}, {"slot", i.Slot.Workload}, {"digest", string(i.Digest)}, {"container", i.Container},
	} {
		if err := boundText(s.what, s.text, MaxIdentifier); err != nil {
			return err
		}
	}
	if n := len(i.Ports); n > MaxPorts {
		return fmt.Errorf("%d ports, over the limit of %d", n, MaxPorts)
	}
	for _, name := range slices.Sorted(maps.Keys(i.Ports)) {
		if err := boundText("the name of a port", name, MaxPortName); err != nil {
			return err
		}
		if p := i.Ports[name]; p < 0 || p > maxPort {
			return fmt.Errorf("port %s is %d", name, p)
		}
	}
	if i.Outcome != nil {
		i.Outcome.bound()
	}
	if f := i.Failure; f != nil {
		f.Text, f.Log = CutText(f.Text), CutOutput(f.Log)
		return boundText("the code of its failure", string(f.Code), MaxIdentifier)
	}
	return nil
}

func boundText(what, text string, limit int) error {
	if len(text) > limit {
		return fmt.Errorf("%s has %d bytes, over the limit of %d", what, len(text), limit)
	}
	return nil
}

// CutText is a sentence for people that is no longer than MaxText.
func CutText(s string) string {
	if len(s) <= MaxText {
		return s
	}
	const more = "…"
	end := MaxText - len(more)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + more
}
