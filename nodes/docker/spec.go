package docker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/schema"
)

// logBounds are in the Engine's words; a bare number is bytes.
var logBounds = map[string]string{"max-size": strconv.Itoa(agent.LogFileSize), "max-file": strconv.Itoa(agent.LogFiles)}

// spec is the container as the Engine wants to hear it.
func (r *Runtime) spec(c agent.Container) (client.ContainerCreateOptions, error) {
	image, err := plainReference(c.Image())
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	w := c.Workload
	ports, err := r.bindings(c)
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	mounts, err := r.mounts(c)
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
			Hostname: hostname(c),
			Image:    image, Entrypoint: w.Command, Cmd: w.Args, Env: c.Environ(), User: w.User, WorkingDir: w.Workdir,
			Labels: r.labels(c), ExposedPorts: exposed, StopSignal: w.Stop.Signal, StopTimeout: wholeSeconds(w.Stop.Grace),
		},
		HostConfig: &container.HostConfig{
			// The agent restarts: it knows the back-off and counts the lives.
			RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
			LogConfig:     container.LogConfig{Type: "json-file", Config: logBounds},
			PortBindings:  ports,
			Mounts:        mounts,
			Resources:     resources(w.Resources),
			NetworkMode:   r.networkMode(c),
			ExtraHosts:    extraHosts(c),

			ReadonlyRootfs: w.ReadOnlyRoot,
			Init:           new(true), // a program as PID 1 would ignore the stop signal unless it handles it
		},
	}, nil
}

// plainReference is the image as every Engine understands it. One with both a tag
// and a digest loses the tag: Engines differ in what they make of it.
func plainReference(image string) (string, error) {
	named, err := reference.ParseDockerRef(image)
	if err != nil {
		return "", fmt.Errorf("image %q: %w", image, err)
	}
	return named.String(), nil
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

// mounts are the workload's volumes: its own, which the Engine makes when they
// are first used, and the node's.
func (r *Runtime) mounts(c agent.Container) (all []mount.Mount, err error) {
	for _, name := range slices.Sorted(maps.Keys(c.Workload.Volumes)) {
		m := r.ownVolume(c.Slot, name, c.Workload.Volumes[name])
		if v := c.Workload.Volumes[name]; v.Host != "" {
			if m, err = r.hostVolume(v); err != nil {
				return nil, err
			}
		}
		all = append(all, m)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Workload.Tmpfs)) {
		t := c.Workload.Tmpfs[name]
		all = append(all, mount.Mount{Type: mount.TypeTmpfs, Target: t.Path, TmpfsOptions: &mount.TmpfsOptions{SizeBytes: int64(t.Size)}})
	}
	return all, nil
}

// ownVolume has no bound, whatever its Size: most Engines refuse one.
func (r *Runtime) ownVolume(slot schema.Slot, name string, v schema.Volume) mount.Mount {
	return mount.Mount{
		Type: mount.TypeVolume, Source: r.volumeName(slot, name), Target: v.Path, ReadOnly: v.ReadOnly,
		VolumeOptions: &mount.VolumeOptions{Labels: map[string]string{
			labelCluster: r.cfg.Cluster, labelNode: r.cfg.Node, labelSlot: slot.String(), labelVolume: name,
		}},
	}
}

// hostVolume is the folder alone: of what is mounted below it an Engine before 25
// would let a container write to all, read-only or not. The Engine looks for the
// path once more by itself; the built-in runtime mounts what was looked at.
func (r *Runtime) hostVolume(v schema.Volume) (mount.Mount, error) {
	found, err := r.cfg.HostVolumes.Find(v)
	if err == nil && strings.HasPrefix(r.api.DaemonHost(), "unix:") { // on this machine
		err = found.Check(v.Host)
	}
	return mount.Mount{
		Type: mount.TypeBind, Source: found.Path, Target: v.Path, ReadOnly: v.ReadOnly,
		BindOptions: &mount.BindOptions{NonRecursive: true, Propagation: mount.PropagationRPrivate},
	}, err
}

// hostname is left to the Engine where the container is like others, or on a
// network that is not its own: names are that network's.
func hostname(c agent.Container) string {
	if c.Workload.Network == schema.Host || c.Join != "" {
		return ""
	}
	return c.Hostname
}

func extraHosts(c agent.Container) (all []string) {
	if c.Join != "" {
		return nil
	}
	for _, h := range c.Hosts {
		all = append(all, h.Name+":"+h.Address)
	}
	return all
}

// networkMode is another container's, the host's own, or the Engine's bridge.
func (r *Runtime) networkMode(c agent.Container) container.NetworkMode {
	switch {
	case c.Join != "":
		return container.NetworkMode("container:" + r.containerName(c.Join))
	case c.Workload.Network == schema.Host:
		return network.NetworkHost
	}
	return network.NetworkDefault
}

// resources turns requests into shares and limits into limits. A container with
// a memory limit gets no swap on top of it. "Nano cpus" are not used: the Engine
// refuses them where they are more than the machine has.
func resources(q schema.Resources) container.Resources {
	res := container.Resources{
		Memory: int64(q.Limit.Memory), MemorySwap: int64(q.Limit.Memory), MemoryReservation: agent.MemoryReservation(q),
		CPUShares: agent.CPUShares(q), CPUQuota: agent.CPUQuota(q),
	}
	if res.CPUQuota > 0 {
		res.CPUPeriod = agent.CPUPeriod
	}
	if q.Limit.Pids > 0 {
		res.PidsLimit = new(int64(q.Limit.Pids))
	}
	if n := int64(q.Limit.Files); n > 0 {
		res.Ulimits = []*container.Ulimit{{Name: "nofile", Soft: n, Hard: n}}
	}
	return res
}

// wholeSeconds rounds up: it is what `docker stop` by hand would wait.
func wholeSeconds(d schema.Duration) *int {
	return new(int((d.D() + time.Second - 1) / time.Second))
}
