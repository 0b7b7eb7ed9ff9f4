package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	docker "github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/engine"
	"github.com/bayplan/bayplan/nodes/native"
	"github.com/bayplan/bayplan/nodes/native/bridge"
	"github.com/bayplan/bayplan/schema"
)

// builtIn is the built-in runtime's line, bridge that of its network.
const (
	builtIn = "built-in"
	bridged = "bridge"
)

// stateDir is where an agent keeps its containers unless it is told otherwise.
const stateDir = "/var/lib"

// runtimes are what could run containers here, one line each, and one for each
// thing that keeps the built-in runtime from it. Only nodes need any, and one
// will do.
func runtimes(ctx context.Context) []Finding {
	all := append([]Finding{bounded(ctx, dockerEngine)}, missing(builtIn, "ready: containers by this binary alone", engine.Problems(stateDir))...)
	if all[1].State == OK {
		all = append(append(all, network()...), archives())
	}
	return all
}

// missing is a line for each problem, or one that says that all is well.
func missing(check, well string, all []native.Problem) []Finding {
	if len(all) == 0 {
		return []Finding{{check, OK, well, ""}}
	}
	var found []Finding
	for _, p := range all {
		found = append(found, Finding{check, Warn, p.What, p.Mend})
	}
	return found
}

// network is what the bridge lacks; work on the host's network needs none.
func network() []Finding {
	var all []native.Problem
	for _, p := range bridge.Check() {
		all = append(all, native.Problem(p))
	}
	return missing(bridged, "ready: addresses and published ports for containers of the built-in runtime, over IPv4 alone (network: \"host\" has the machine's IPv6)", all)
}

// archives are what workloads with an artifact and no image find here.
func archives() Finding {
	const check = "archives"
	version, home := native.Java(native.HostPaths)
	if version == "" {
		return Finding{check, OK, "ready: tar, tar.gz, tar.zst, zip and JAR, with the built-in runtime; no JVM is here: java without an image takes one (apt-get install openjdk-17-jre-headless)", ""}
	}
	return Finding{check, OK, fmt.Sprintf("ready: tar, tar.gz, tar.zst, zip and JAR, with the built-in runtime; Java %s in %s", version, home), ""}
}

// dockerEngine asks the Docker Engine of this machine.
func dockerEngine(ctx context.Context) Finding {
	const check = "engine"
	c, err := docker.New(docker.FromEnv)
	if err != nil {
		return Finding{check, Warn, "the Docker client's environment: " + err.Error(), "check $DOCKER_HOST"}
	}
	defer c.Close()
	p, err := c.Ping(ctx, docker.PingOptions{NegotiateAPIVersion: true})
	switch {
	case errors.Is(err, fs.ErrPermission):
		return Finding{check, Warn, "Docker Engine is there, but not for this user", "run as root, or join the group docker"}
	case err != nil:
		return Finding{check, OK, "no Docker Engine answers; --runtime auto takes the built-in runtime", ""}
	}
	v, err := c.ServerVersion(ctx, docker.ServerVersionOptions{})
	if err != nil {
		return Finding{check, Warn, "Docker Engine answers, but not for its version: " + err.Error(), "systemctl restart docker"}
	}
	return Finding{check, OK, fmt.Sprintf("Docker Engine %s, API %s; --runtime auto takes it", v.Version, p.APIVersion), ""}
}

// Below these an image of usual size may not fit.
const (
	fewBytes  = 5 << 30
	noBytes   = 512 << 20
	fewInodes = 10 // percent
)

// disk looks at the file system where images and state go.
func disk(context.Context) Finding {
	dir := "/var/lib"
	if _, err := os.Stat("/var/lib/docker"); err == nil {
		dir = "/var/lib/docker"
	}
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return Finding{"disk", Warn, dir + ": " + err.Error(), ""}
	}
	free := schema.Bytes(int64(s.Bavail) * s.Bsize)
	text := fmt.Sprintf("%s free in %s", free.Human(), dir)
	const next = "free some (docker image prune) or make it larger"
	switch {
	case free < noBytes:
		return Finding{"disk", Fail, text, next}
	case free < fewBytes:
		return Finding{"disk", Warn, text, next}
	case s.Files > 0 && s.Ffree*100/s.Files < fewInodes:
		return Finding{"disk", Warn, fmt.Sprintf("%s, but only %d inodes", text, s.Ffree), next}
	}
	return Finding{"disk", OK, text, ""}
}

// oldestKernel is the first of the long-term kernels with all of cgroup v2's
// memory control and a usable overlayfs.
const oldestMajor, oldestMinor = 5, 4

func kernel(context.Context) Finding {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return Finding{"kernel", Warn, err.Error(), ""}
	}
	release := unix.ByteSliceToString(u.Release[:])
	return kernelFinding(release)
}

func kernelFinding(release string) Finding {
	var major, minor int
	if n, err := fmt.Sscanf(release, "%d.%d", &major, &minor); n < 2 {
		return Finding{"kernel", Warn, fmt.Sprintf("Linux %q: no version that can be read (%v)", release, err), ""}
	}
	if major < oldestMajor || major == oldestMajor && minor < oldestMinor {
		return Finding{"kernel", Warn, "Linux " + release, fmt.Sprintf("use Linux %d.%d or later for nodes", oldestMajor, oldestMinor)}
	}
	return Finding{"kernel", OK, "Linux " + release, ""}
}

// cgroups are the control groups' version; each will do.
func cgroups(context.Context) Finding {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return Finding{"cgroups", OK, "version 2", ""}
	}
	if _, err := os.Stat("/sys/fs/cgroup/unified/cgroup.controllers"); err == nil {
		return Finding{"cgroups", OK, "version 1, beside an empty version 2 (hybrid)", ""}
	}
	return Finding{"cgroups", OK, "version 1", ""}
}
