package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	docker "github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/schema"
)

// engine asks the Docker Engine of this machine. Only nodes need one.
func engine(ctx context.Context) Finding {
	c, err := docker.New(docker.FromEnv)
	if err != nil {
		return Finding{"engine", Warn, "the Docker client's environment: " + err.Error(), "check $DOCKER_HOST"}
	}
	defer c.Close()
	p, err := c.Ping(ctx, docker.PingOptions{NegotiateAPIVersion: true})
	switch {
	case errors.Is(err, fs.ErrPermission):
		return Finding{"engine", Warn, "Docker Engine is there, but not for this user", "run as root, or join the group docker"}
	case err != nil:
		return Finding{"engine", Warn, "no Docker Engine answers, so no node can run here: " + err.Error(), "apt-get install docker.io && systemctl start docker"}
	}
	v, err := c.ServerVersion(ctx, docker.ServerVersionOptions{})
	if err != nil {
		return Finding{"engine", Warn, "Docker Engine answers, but not for its version: " + err.Error(), "systemctl restart docker"}
	}
	return Finding{"engine", OK, fmt.Sprintf("Docker Engine %s, API %s", v.Version, p.APIVersion), ""}
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

func cgroups(context.Context) Finding {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err != nil {
		return Finding{"cgroups", Warn, "version 1: memory limits hold, but kills for memory are told less well", "boot with systemd.unified_cgroup_hierarchy=1"}
	}
	return Finding{"cgroups", OK, "version 2", ""}
}
