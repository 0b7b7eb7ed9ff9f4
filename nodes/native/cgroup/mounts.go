package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Hierarchies are where the machine's control groups are mounted.
type Hierarchies struct {
	// Controllers are the mount points of v1 by controller ("memory"); a named
	// hierarchy is there as "name=systemd".
	Controllers map[string]string
	// Unified is the mount point of v2; beside Controllers that is a hybrid.
	Unified string
}

// V2 is whether there is nothing but v2.
func (h Hierarchies) V2() bool { return len(h.Controllers) == 0 && h.Unified != "" }

// Mounted finds the hierarchies, once.
var Mounted = sync.OnceValues(func() (Hierarchies, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Hierarchies{}, err
	}
	h := parse(string(table))
	if h.Unified == "" && len(h.Controllers) == 0 {
		return h, fmt.Errorf("no control groups are mounted below /sys/fs/cgroup")
	}
	return h, nil
})

// parse takes the first mount of each hierarchy, as a bind of one may follow.
func parse(mountinfo string) Hierarchies {
	h := Hierarchies{Controllers: map[string]string{}}
	for line := range strings.Lines(mountinfo) {
		mount, fs, ok := strings.Cut(line, " - ")
		fields, kind := strings.Fields(mount), strings.Fields(fs)
		if !ok || len(fields) < 5 || len(kind) < 3 {
			continue
		}
		switch kind[0] {
		case "cgroup2":
			if h.Unified == "" {
				h.Unified = fields[4]
			}
		case "cgroup":
			for option := range strings.SplitSeq(kind[2], ",") {
				if _, seen := h.Controllers[option]; !seen && controller(option) {
					h.Controllers[option] = fields[4]
				}
			}
		}
	}
	return h
}

// controller tells a controller from the other options of a mount.
func controller(option string) bool {
	return strings.HasPrefix(option, "name=") ||
		!slices.Contains([]string{"rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "favordynmods"}, option) &&
			!strings.Contains(option, "=")
}

// dirs are the directories of a group, each once, in a fixed order.
func (h Hierarchies) dirs(path string) []string {
	var all []string
	for _, root := range h.roots() {
		all = append(all, filepath.Join(root, filepath.Join("/", path)))
	}
	return all
}

func (h Hierarchies) roots() []string {
	all := []string{}
	if h.Unified != "" {
		all = append(all, h.Unified)
	}
	for _, root := range h.Controllers {
		all = append(all, root)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
