package native

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/images"
	"github.com/bayplan/bayplan/schema"
)

// usualPath is what a program finds where nobody says otherwise, as with Docker.
const usualPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// config is the container as its monitor wants to read it, but for its network and
// the files that tell of that, which are made for each life.
func (r *Runtime) config(c agent.Container, on ground) (bundle.Config, error) {
	w, image := c.Workload, on.image
	if err := checkPorts(c); err != nil {
		return bundle.Config{}, err
	}
	args := command(w, image.Config)
	if len(args) == 0 {
		return bundle.Config{}, fail(nodes.CommandNotFound, nil, "the image %s has no command of its own, and the workload names none", w.Image)
	}
	folder := r.names.folder(c.ID)
	cfg := bundle.Config{
		ID: c.ID, Cluster: r.cfg.Cluster, Node: r.cfg.Node, Slot: c.Slot.String(), Digest: string(c.Digest), Ports: c.Ports, Labels: labels(c),
		Image: image.Digest, Archive: on.tree, Base: filepath.Join(r.names.dir, baseDir), Layers: image.Layers, ReadOnly: w.ReadOnlyRoot,
		Args: args, Workdir: cmp.Or(w.Workdir, image.Config.WorkingDir, "/"), User: cmp.Or(w.User, image.Config.User),
		Init:     true, // a program as PID 1 would ignore the stop signal unless it handles it
		Hostname: hostname(c), Cgroup: r.names.cgroup(folder), Resources: resources(w.Resources),
		Log:   bundle.Log{FileSize: agent.LogFileSize, Files: agent.LogFiles},
		Lease: leaseOf(c.Lease),
	}
	cfg.Env = environment(image.Config.Env, cfg.Hostname, c.Environ())
	volumes, err := r.volumes(c)
	cfg.Ground, cfg.Mounts = on.mounts, slices.Concat(volumes, tmpfs(w))
	return cfg, err
}

// labels are the workload's own and ours over them, by the names that they have
// with the other engine.
func labels(c agent.Container) map[string]string {
	all := maps.Clone(c.Workload.Labels)
	if all == nil {
		all = map[string]string{}
	}
	all["io.bayplan.workload"], all["io.bayplan.slot"], all["io.bayplan.digest"] = c.Slot.Workload, c.Slot.String(), string(c.Digest)
	if c.Commit != "" {
		all["io.bayplan.commit"] = c.Commit
	}
	return all
}

// checkPorts refuses an order that cannot be met.
func checkPorts(c agent.Container) error {
	for _, name := range slices.Sorted(maps.Keys(c.Ports)) {
		if _, ok := c.Workload.Ports[name]; !ok {
			return fmt.Errorf("port %s of %s: the workload has no port of that name", name, c.ID)
		}
	}
	return nil
}

// command is entrypoint and arguments: who sets the entrypoint drops the image's
// arguments with it, as with Docker.
func command(w *schema.Workload, image images.RunConfig) []string {
	entry, args := w.Program()
	if len(entry) == 0 {
		entry = image.Entrypoint
		if len(args) == 0 {
			args = image.Cmd
		}
	}
	return slices.Concat(entry, args)
}

// environment is the image's with the order's over it; a name that both have
// stands where the image has it.
func environment(image []string, hostname string, order []string) []string {
	all := []string{usualPath, "HOSTNAME=" + hostname}
	at := map[string]int{"PATH": 0, "HOSTNAME": 1}
	for _, kv := range slices.Concat(image, order) {
		name, _, ok := strings.Cut(kv, "=")
		if !ok || name == "" {
			continue
		}
		if i, known := at[name]; known {
			all[i] = kv
			continue
		}
		at[name] = len(all)
		all = append(all, kv)
	}
	return all
}

// resources turns requests into shares and limits into limits.
func resources(q schema.Resources) bundle.Resources {
	res := bundle.Resources{
		CPUShares: uint64(agent.CPUShares(q)), CPUQuota: agent.CPUQuota(q),
		Memory: int64(q.Limit.Memory), MemoryReservation: agent.MemoryReservation(q),
		Pids: int64(q.Limit.Pids), Files: uint64(max(q.Limit.Files, 0)),
	}
	if res.CPUQuota > 0 {
		res.CPUPeriod = agent.CPUPeriod
	}
	return res
}

// hostname is the machine's own on its network, and else the slot's: a label of
// at most 63 letters.
func hostname(c agent.Container) string {
	if onHost(c.Workload) {
		if name, err := os.Hostname(); err == nil {
			return name
		}
	}
	return strings.NewReplacer("_", "-", ".", "-").Replace(agent.PlainName("", c.Slot.Host()))
}

func onHost(w *schema.Workload) bool { return w.Network == schema.Host }

func tmpfs(w *schema.Workload) []bundle.Mount {
	var all []bundle.Mount
	for _, name := range slices.Sorted(maps.Keys(w.Tmpfs)) {
		all = append(all, bundle.Mount{Target: w.Tmpfs[name].Path, Size: int64(w.Tmpfs[name].Size)})
	}
	return all
}
