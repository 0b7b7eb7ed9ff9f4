package agent

import (
	"maps"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// describe makes the node's description anew; mu is held, or nobody else
// knows the agent yet.
func (a *Agent) describe() {
	a.node = nodes.Node{
		Name: a.cfg.Node, Address: a.cfg.Address, Attributes: a.attributes(),
		Allocatable: allocatable(a.cfg.Capacity, a.info.Capacity, a.cfg.Reserve),
		PortMin:     a.cfg.PortMin, PortMax: a.cfg.PortMax, BusyPorts: a.busyPorts(),
		Runtime: nodes.CutText(strings.TrimSpace(a.info.Name + " " + a.info.Version)), Version: a.cfg.Version, Trouble: a.trouble(),
	}
}

func (a *Agent) attributes() map[string]string {
	all := maps.Clone(a.cfg.Attributes)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, a.info.Attributes)
	all["node"] = a.cfg.Node
	delete(all, schema.PolicyAttribute)
	if a.cfg.Policy != nil {
		all[schema.PolicyAttribute] = a.cfg.Policy.String()
	}
	if a.info.Name != "" {
		all["os"], all["arch"], all["runtime"] = a.info.OS, a.info.Arch, a.info.Name
	}
	return all
}

// The share of a machine that is its own, where the Config says nothing.
const (
	reserveCPUPercent    = 5
	reserveMemory        = 256 << 20
	reserveMemoryPercent = 10
)

func allocatable(granted, engine nodes.Capacity, reserve *nodes.Capacity) nodes.Capacity {
	if granted.CPU > 0 {
		engine.CPU = granted.CPU
	}
	if granted.Memory > 0 {
		engine.Memory = granted.Memory
	}
	if reserve == nil {
		reserve = &nodes.Capacity{
			CPU:    engine.CPU * reserveCPUPercent / 100,
			Memory: min(reserveMemory, engine.Memory*reserveMemoryPercent/100),
		}
	}
	left := engine.Minus(*reserve)
	return nodes.Capacity{CPU: max(left.CPU, 0), Memory: max(left.Memory, 0)}
}

// busyPorts are those that the scheduler might choose.
func (a *Agent) busyPorts() []int {
	var within []int
	for _, p := range a.local.BusyPorts() {
		if p >= a.cfg.PortMin && p <= a.cfg.PortMax && len(within) < nodes.MaxBusyPorts {
			within = append(within, p)
		}
	}
	return within
}

// trouble is why the node cannot start containers now.
func (a *Agent) trouble() string {
	var all []string
	for _, t := range []string{a.engineTrouble, a.local.DiskFull(), a.diskTrouble} {
		if t != "" {
			all = append(all, t)
		}
	}
	return nodes.CutText(strings.Join(all, "; "))
}

// containerOf is what the runtime is to run for an order. The environment
// tells the program what it is and where it is reached:
//
//	BAYPLAN_WORKLOAD, BAYPLAN_SLOT, BAYPLAN_NODE
//	HOST_IP            the node's address
//	PORT_<NAME>        the port to listen on
//	HOST_PORT_<NAME>   where the node publishes it
//
// and one of a stateful workload who its fellows are (see introduce).
//
// Nothing of it changes with a commit but what a label tells, so that a commit
// alone changes no container. The workload's own env wins.
func containerOf(o *nodes.Order, node, address string) Container {
	env := map[string]string{
		"BAYPLAN_WORKLOAD": o.Workload.Name,
		"BAYPLAN_SLOT":     o.Slot.String(),
		"BAYPLAN_NODE":     node,
		"HOST_IP":          address,
	}
	for name, p := range o.Workload.Ports {
		host := o.Ports[name]
		if o.Workload.Network == schema.Host {
			p.Container = host
		}
		env["PORT_"+schema.EnvName(name)] = decimal(p.Container)
		if host != 0 {
			env["HOST_PORT_"+schema.EnvName(name)] = decimal(host)
		}
	}
	c := Container{ID: o.ID, Slot: o.Slot, Digest: o.Digest, Commit: o.Commit, Workload: o.Workload, Ports: o.Ports, Env: env}
	if o.Workload.Kind == schema.Stateful {
		c.introduce(o.Peers)
	}
	for name := range o.Workload.Env {
		delete(env, name)
	}
	return c
}

// portOf is the container's port of a name; zero if the workload has none.
func portOf(w *schema.Workload, name string) int { return w.Ports[name].Container }
