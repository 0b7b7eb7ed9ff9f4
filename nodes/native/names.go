package native

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/schema"
)

// The folders of Config.Dir.
const (
	containersDir = "containers"
	volumesDir    = "volumes"
)

// Names in containersDir that are no containers. The node's key follows, so that
// no node clears another's.
const (
	newPrefix  = ".new-"
	gonePrefix = ".gone-"
)

// readable is how much of a name is for people: what follows it must fit, too.
const readable = 80

// names are those of one node: two nodes never share one, even in one Dir, on one
// machine.
type names struct {
	dir, cluster, node string
	// key is the node's in the names of folders, group its control group.
	key   string
	group string
}

// newNames wants an absolute dir.
func newNames(dir, cluster, node string) names {
	return names{
		dir: dir, cluster: cluster, node: node, key: agent.NameSum(cluster, node),
		group: "/bayplan/" + Key(dir, cluster, node),
	}
}

// Key is a node's in one word, unique on the machine: what is named after it is
// of nobody else. Dir is absolute.
func Key(dir, cluster, node string) string { return agent.NameSum(dir, cluster, node) }

// folder is the name of a container's folder: readable first, the node's key,
// and unique last.
func (n names) folder(id string) string {
	name := agent.PlainName("", id)
	return strings.TrimLeft(name[:min(len(name), readable)]+"."+n.key+"."+agent.NameSum(n.cluster, n.node, id), ".")
}

// owns is whether a folder's name is one of this node's.
func (n names) owns(folder string) bool {
	parts := strings.Split(folder, ".")
	return len(parts) >= 2 && parts[len(parts)-2] == n.key
}

// unique is what tells a folder from every other on all nodes: short enough for a
// table, and what finds the folder and its monitor on the machine.
func unique(folder string) string { return folder[strings.LastIndexByte(folder, '.')+1:] }

func (n names) path(folder string) string { return filepath.Join(n.dir, containersDir, folder) }

// cgroup is the control group of a container's folder.
func (n names) cgroup(folder string) string { return n.group + "/" + folder }

// volume is where a slot's volume is. It outlives the containers and the digests
// of the slot.
func (n names) volume(s schema.Slot, name string) string {
	return filepath.Join(n.volumes(s), agent.PlainName("", name))
}

// volumes is the folder of a slot's volumes.
func (n names) volumes(s schema.Slot) string {
	slot := agent.PlainName("", s.String())
	sum := agent.NameSum(n.cluster, n.node, s.Workload, strconv.Itoa(s.Index))
	return filepath.Join(n.dir, volumesDir, slot[:min(len(slot), readable)]+"."+sum)
}
