package native

import (
	"context"
	"fmt"
	"maps"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native/cgroup"
	"github.com/bayplan/bayplan/nodes/native/quota"
	"github.com/bayplan/bayplan/schema"
)

// Info describes the machine, and fails where it cannot run containers. The
// version is the kernel's: it is what runs them.
func (r *Runtime) Info(ctx context.Context) (agent.Info, error) {
	if err := ctx.Err(); err != nil {
		return agent.Info{}, err
	}
	if problems := r.Check(); len(problems) > 0 {
		return agent.Info{}, unable(problems)
	}
	release, err := kernel()
	if err != nil {
		return agent.Info{}, err
	}
	memory, err := memoryTotal()
	if err != nil {
		return agent.Info{}, err
	}
	return agent.Info{
		Name: "native", Version: release, OS: runtime.GOOS, Arch: runtime.GOARCH,
		Capacity:   nodes.Capacity{CPU: schema.CPU(runtime.NumCPU()) * 1000, Memory: memory},
		Attributes: r.attributes(),
	}, nil
}

// attributes are what the machine offers beside.
func (r *Runtime) attributes() map[string]string {
	all := map[string]string{schema.VolumeQuota: strconv.FormatBool(quota.Offered(r.names.dir) == nil)}
	maps.Copy(all, findJava("/", r.cfg.HostPaths).attributes())
	return all
}

func unable(problems []Problem) error {
	var all []string
	for _, p := range problems {
		all = append(all, p.String())
	}
	return fail(nodes.EngineDown, nil, "the built-in runtime cannot run containers here: %s", strings.Join(all, "; "))
}

// kernel is the release, "6.1.0-18-amd64".
func kernel() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", err
	}
	return unix.ByteSliceToString(u.Release[:]), nil
}

func memoryTotal() (schema.Bytes, error) {
	var i unix.Sysinfo_t
	if err := unix.Sysinfo(&i); err != nil {
		return 0, fmt.Errorf("the machine's memory: %w", err)
	}
	return schema.Bytes(uint64(i.Totalram) * uint64(i.Unit)), nil
}

// Stats is what a container takes.
type Stats = cgroup.Usage

// Stats reads what a running container takes.
func (r *Runtime) Stats(ctx context.Context, id string) (Stats, error) {
	b, err := r.box(ctx, id)
	if err != nil {
		return Stats{}, explain("stats of "+id, err)
	}
	if b == nil || b.running() == nil {
		return Stats{}, explain("stats of "+id, errNotRunning)
	}
	s, err := cgroup.Stats(r.names.cgroup(b.folder))
	if os.IsNotExist(err) {
		err = errNotRunning
	}
	return s, explain("stats of "+id, err)
}
