package docker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/schema"
)

// A container's log is kept in so many files of this size, the oldest dropped.
const (
	logFiles    = "3"
	logFileSize = "10m"
)

// spec is the container as the Engine wants to hear it.
func (r *Runtime) spec(c agent.Container) (client.ContainerCreateOptions, error) {
	image, err := imageOf(c.Workload)
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	w := c.Workload
	ports, err := r.bindings(c)
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	exposed := network.PortSet{}
	for p := range ports {
		exposed[p] = struct{}{}
	}
	return client.ContainerCreateOptions{
		Name: r.containerName(c.ID),
		Config: &container.Config{
			Image: image, Entrypoint: w.Command, Cmd: w.Args, Env: environment(c), User: w.User, WorkingDir: w.Workdir,
			Labels: r.labels(c), ExposedPorts: exposed, StopSignal: w.Stop.Signal, StopTimeout: wholeSeconds(w.Stop.Grace),
		},
		HostConfig: &container.HostConfig{
			// The agent restarts: it knows the back-off and counts the lives.
			RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
			LogConfig:     container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": logFileSize, "max-file": logFiles}},
			PortBindings:  ports,
			Mounts:        r.mounts(c),
			Resources:     resources(w.Resources),
			NetworkMode:   networkMode(w.Network),

			ReadonlyRootfs: w.ReadOnlyRoot,
			Init:           new(true), // a program as PID 1 would ignore the stop signal unless it handles it
		},
	}, nil
}

// imageOf is the image by digest where that is known. A reference with both a
// tag and a digest loses the tag: Engines differ in what they make of it.
func imageOf(w *schema.Workload) (string, error) {
	image := w.Pinned
	if image == "" {
		image = w.Image
	}
	return plainReference(image)
}

func plainReference(image string) (string, error) {
	named, err := reference.ParseDockerRef(image)
	if err != nil {
		return "", fmt.Errorf("image %q: %w", image, err)
	}
	return named.String(), nil
}

// environment is the workload's and the agent's, which wins; sorted.
func environment(c agent.Container) []string {
	all := maps.Clone(c.Workload.Env)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, c.Env)
	list := make([]string, 0, len(all))
	for _, k := range slices.Sorted(maps.Keys(all)) {
		list = append(list, k+"="+all[k])
	}
	return list
}

// bindings publishes each named port that was given a host port.
func (r *Runtime) bindings(c agent.Container) (network.PortMap, error) {
	all := network.PortMap{}
	for _, name := range slices.Sorted(maps.Keys(c.Ports)) {
		p, ok := c.Workload.Ports[name]
		if !ok {
			return nil, fmt.Errorf("port %s of %s: the workload has no port of that name", name, c.ID)
		}
		if c.Workload.Network == schema.Host {
			continue // the program holds it itself
		}
		protocol := p.Protocol
		if protocol == "" {
			protocol = string(network.TCP)
		}
		inside, ok := network.PortFrom(uint16(p.Container), network.IPProtocol(protocol))
		if !ok {
			return nil, fmt.Errorf("port %s of %s: no protocol %q", name, c.ID, p.Protocol)
		}
		all[inside] = append(all[inside], network.PortBinding{HostIP: r.publish, HostPort: strconv.Itoa(c.Ports[name])})
	}
	return all, nil
}

// mounts are the workload's volumes, which the Engine makes when they are first
// used.
func (r *Runtime) mounts(c agent.Container) []mount.Mount {
	var all []mount.Mount
	for _, name := range slices.Sorted(maps.Keys(c.Workload.Volumes)) {
		v := c.Workload.Volumes[name]
		all = append(all, mount.Mount{
			Type: mount.TypeVolume, Source: r.volumeName(c.Slot, name), Target: v.Path, ReadOnly: v.ReadOnly,
			VolumeOptions: &mount.VolumeOptions{Labels: map[string]string{
				labelCluster: r.cfg.Cluster, labelNode: r.cfg.Node, labelSlot: c.Slot.String(), labelVolume: name,
			}},
		})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Workload.Tmpfs)) {
		t := c.Workload.Tmpfs[name]
		all = append(all, mount.Mount{Type: mount.TypeTmpfs, Target: t.Path, TmpfsOptions: &mount.TmpfsOptions{SizeBytes: int64(t.Size)}})
	}
	return all
}

// networkMode is the host's own, or the Engine's bridge.
func networkMode(n schema.Network) container.NetworkMode {
	if n == schema.Host {
		return network.NetworkHost
	}
	return network.NetworkDefault
}

// The Engine's units: a core is 1024 shares when cores are short. A limit is so
// many microseconds of each period, and not "nano cpus", which the Engine
// refuses where they are more than the machine has.
const (
	sharesPerCore = 1024
	fewestShares  = 2
	period        = 100_000
	leastQuota    = 1000
)

// resources turns requests into shares and limits into limits. A container with
// a memory limit gets no swap on top of it.
func resources(q schema.Resources) container.Resources {
	res := container.Resources{Memory: int64(q.Limit.Memory), MemorySwap: int64(q.Limit.Memory)}
	if q.Limit.CPU > 0 {
		res.CPUPeriod, res.CPUQuota = period, max(leastQuota, int64(q.Limit.CPU)*period/1000)
	}
	if q.Limit.Pids > 0 {
		res.PidsLimit = new(int64(q.Limit.Pids))
	}
	if n := int64(q.Limit.Files); n > 0 {
		res.Ulimits = []*container.Ulimit{{Name: "nofile", Soft: n, Hard: n}}
	}
	if q.CPU > 0 {
		res.CPUShares = max(fewestShares, int64(q.CPU)*sharesPerCore/1000)
	}
	if q.Memory > 0 && (q.Limit.Memory == 0 || q.Memory <= q.Limit.Memory) {
		res.MemoryReservation = int64(q.Memory)
	}
	return res
}

// wholeSeconds rounds up: it is what `docker stop` by hand would wait.
func wholeSeconds(d schema.Duration) *int {
	return new(int((d.D() + time.Second - 1) / time.Second))
}
