package engine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// dismantle leaves nothing, whatever state the test left the daemon in.
func (e *Engine) dismantle() {
	if e.daemon != nil && e.daemon.Process != nil {
		e.daemon.Process.Signal(syscall.SIGCONT)
		e.daemon.Process.Kill()
		<-e.ended
	}
	if e.api != nil {
		e.api.Close()
	}
	err := errors.Join(e.killRest(), e.unmountRest(), os.RemoveAll(e.dir))
	if out, nerr := exec.Command("ip", "netns", "del", e.netns).CombinedOutput(); nerr != nil {
		err = errors.Join(err, fmt.Errorf("ip netns del: %w: %s", nerr, out))
	}
	if err != nil {
		e.t.Errorf("dismantling the engine: %v", err)
	}
}

// killRest ends what survives a killed daemon: containerd, the monitors of
// containers, and with them the containers. Each names our folder.
func (e *Engine) killRest() error {
	for range 100 {
		rest, err := e.rest()
		if err != nil || len(rest) == 0 {
			return err
		}
		for _, pid := range rest {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return errors.New("processes of the engine stay")
}

// rest are the processes with our folder in their command, and all in the
// cgroups of our containers.
func (e *Engine) rest() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	boxes, err := filepath.Glob(filepath.Join(e.dir, "data/containers/*"))
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, p := range entries {
		pid, err := strconv.Atoi(p.Name())
		if err == nil && e.isOurs(pid, boxes) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

func (e *Engine) isOurs(pid int, boxes []string) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	command, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	if err != nil || len(command) == 0 { // gone, or a zombie
		return false
	}
	if strings.Contains(string(command), e.dir) {
		return true
	}
	cgroup, _ := os.ReadFile(filepath.Join(proc, "cgroup"))
	for _, box := range boxes {
		if strings.Contains(string(cgroup), filepath.Base(box)) {
			return true
		}
	}
	return false
}

// unmountRest takes the inner mounts first.
func (e *Engine) unmountRest() error {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	lines := strings.Split(string(mounts), "\n")
	for _, line := range slices.Backward(lines) {
		f := strings.Fields(line)
		if len(f) < 2 || !strings.HasPrefix(f[1], e.dir+"/") {
			continue
		}
		if uerr := syscall.Unmount(f[1], syscall.MNT_DETACH); uerr != nil && uerr != syscall.EINVAL { // EINVAL: it went by itself
			err = errors.Join(err, fmt.Errorf("unmounting %s: %w", f[1], uerr))
		}
	}
	return err
}
