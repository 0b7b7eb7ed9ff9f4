package bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// namespace is a network namespace that this process holds open.
type namespace struct {
	file  *os.File
	inode uint64
}

// path is where any process of the same pid namespace can open it.
func (s *namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), s.file.Fd()) }

func (s *namespace) close() {
	if s != nil {
		_ = s.file.Close()
	}
}

// inherited are the settings of a new namespace that images rely on: with
// Docker, whoever the container's user is may bind port 80 and send a ping.
var inherited = []struct{ key, value string }{
	{"net/ipv4/ip_unprivileged_port_start", "0"},
	{"net/ipv4/ping_group_range", "0 2147483647"},
}

// create makes a namespace and a netlink handle within it.
func create() (*namespace, *netlink.Handle, error) {
	var s *namespace
	var h *netlink.Handle
	err := aside(func() error {
		var err error
		if s, err = own("/proc/thread-self/ns/net"); err != nil {
			return err
		}
		for _, set := range inherited {
			_ = sysctl(set.key, set.value) // an old kernel has not all of them
		}
		if err := deafenInside(); err != nil {
			return err
		}
		h, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		s.close()
		return nil, nil, fmt.Errorf("network namespace: %w", err)
	}
	return s, h, nil
}

// aside runs f on a thread that is in a network namespace of its own meanwhile.
func aside(f func() error) error {
	return elsewhere(func() error { return unix.Unshare(unix.CLONE_NEWNET) }, f)
}

// within runs f on a thread that is in this namespace meanwhile.
func (s *namespace) within(f func() error) error {
	return elsewhere(func() error { return unix.Setns(int(s.file.Fd()), unix.CLONE_NEWNET) }, f)
}

// elsewhere runs f on a thread that leaves its namespace by enter, and returns.
func elsewhere(enter, f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close()
	if err := enter(); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err = f()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, back) // the thread stays locked and ends with its goroutine
	}
	runtime.UnlockOSThread()
	return err
}

// own opens a namespace by its path.
func own(path string) (*namespace, error) {
	f, err := os.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &namespace{file: f, inode: st.Ino}, nil
}

// find is the namespace of that inode, if a process is in it.
func find(inode uint64) (*namespace, bool) {
	s, ok := search(map[uint64]bool{inode: true})[inode]
	return s, ok
}

// search finds those of the wanted inodes that a process is in.
func search(wanted map[uint64]bool) map[uint64]*namespace {
	found := make(map[uint64]*namespace, len(wanted))
	if len(wanted) == 0 {
		return found
	}
	all, _ := filepath.Glob("/proc/[0-9]*/ns/net")
	for _, path := range all {
		inode := inodeOf(path)
		if !wanted[inode] || found[inode] != nil {
			continue
		}
		if s, err := own(path); err == nil && s.inode == inode {
			found[inode] = s
		} else if err == nil {
			s.close()
		}
		if len(found) == len(wanted) {
			break
		}
	}
	return found
}

// inodeOf reads a link such as net:[4026531840]; 0 is none.
func inodeOf(path string) uint64 {
	link, _ := os.Readlink(path)
	digits := strings.TrimSuffix(strings.TrimPrefix(link, "net:["), "]")
	inode, _ := strconv.ParseUint(digits, 10, 64)
	return inode
}

// sysctl sets a value, unless it is so already: /proc/sys may be read-only. One
// that the kernel has not is fs.ErrNotExist.
func sysctl(key, value string) error {
	path := filepath.Join("/proc/sys", key)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) { // writing would be told EACCES
		return err
	}
	if err == nil && strings.TrimSpace(string(b)) == value {
		return nil
	}
	return os.WriteFile(path, []byte(value), 0o644)
}
