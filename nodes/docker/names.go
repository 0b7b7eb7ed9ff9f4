package docker

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"

	"github.com/moby/moby/client"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/schema"
)

// The labels of a container and of a volume. Cluster and node say whose it is.
const (
	labelCluster = "io.bayplan.cluster"
	labelNode    = "io.bayplan.node"
	labelID      = "io.bayplan.id"
	labelSlot    = "io.bayplan.slot"
	labelDigest  = "io.bayplan.digest"
	// labelWorkload and labelCommit are for people and their tools: nothing is
	// found by them, and another commit alone changes no container.
	labelWorkload = "io.bayplan.workload"
	labelCommit   = "io.bayplan.commit"
	// labelPorts holds the host ports by name, as JSON.
	labelPorts = "io.bayplan.ports"
	// labelPeers tells apart what a container was told of its fellows.
	labelPeers = "io.bayplan.peers"
	// labelVolume is a volume's name in its workload.
	labelVolume = "io.bayplan.volume"
)

// labels are the workload's own and ours over them.
func (r *Runtime) labels(c agent.Container) map[string]string {
	all := maps.Clone(c.Workload.Labels)
	if all == nil {
		all = map[string]string{}
	}
	all[labelCluster], all[labelNode] = r.cfg.Cluster, r.cfg.Node
	all[labelID], all[labelSlot], all[labelDigest] = c.ID, c.Slot.String(), string(c.Digest)
	all[labelPorts], all[labelWorkload] = portsText(c.Ports), c.Slot.Workload
	if c.Commit != "" {
		all[labelCommit] = c.Commit
	}
	if c.Hostname != "" {
		all[labelPeers] = peersSum(c)
	}
	return all
}

// peersSum is of all that a container learns as it is made, and that may be
// another when it is started again.
func peersSum(c agent.Container) string {
	parts := c.Environ()
	for _, h := range c.Hosts {
		parts = append(parts, h.Name, h.Address)
	}
	return agent.NameSum(parts...)
}

func portsText(ports map[string]int) string {
	if len(ports) == 0 {
		return "{}"
	}
	b, err := json.Marshal(ports) // sorts the keys
	if err != nil {
		panic("docker: a map of numbers is always JSON: " + err.Error())
	}
	return string(b)
}

// owns is whether a container or volume with these labels is this node's.
func (r *Runtime) owns(labels map[string]string) bool {
	return labels[labelCluster] == r.cfg.Cluster && labels[labelNode] == r.cfg.Node && labels[labelID] != ""
}

// mine asks for what owns is true of.
func (r *Runtime) mine() client.Filters {
	return client.Filters{}.Add("label", labelCluster+"="+r.cfg.Cluster, labelNode+"="+r.cfg.Node, labelID)
}

// containerName is readable first and unique last: an instance has one name on
// its Engine, which makes creating it twice a conflict instead of a twin.
func (r *Runtime) containerName(id string) string {
	return strings.TrimLeft(agent.PlainName("", id)+"."+agent.NameSum(r.cfg.Cluster, r.cfg.Node, id), ".")
}

// volumeName is the name of a slot's volume on this node. It outlives the
// containers and the digests of the slot.
func (r *Runtime) volumeName(s schema.Slot, name string) string {
	parts := []string{r.cfg.Cluster, r.cfg.Node, s.Workload, strconv.Itoa(s.Index), name}
	return "bayplan_" + agent.PlainName("_", parts...) + "_" + agent.NameSum(parts...)
}
