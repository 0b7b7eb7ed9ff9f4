package quota

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fsxattr is the kernel's struct of that name.
type fsxattr struct {
	flags, extent, extents, project, cow uint32
	_                                    [8]byte
}

// inherits has what comes into a folder be of the folder's project.
const inherits = 0x200

// The requests of ioctl that read and write an fsxattr; on the architectures of
// containers they are the same.
const (
	getAttributes = 0x801c581f
	putAttributes = 0x401c5820
)

func attributes(f *os.File) (a fsxattr, err error) {
	return a, ioctl(f, getAttributes, unsafe.Pointer(&a))
}

func setAttributes(f *os.File, a fsxattr) error { return ioctl(f, putAttributes, unsafe.Pointer(&a)) }

func ioctl(f *os.File, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// diskQuota is the kernel's struct fs_disk_quota, in which xfs and ext4 both speak.
// Amounts are in blocks.
type diskQuota struct {
	version, kind                int8
	fields                       uint16
	id                           uint32
	hard, soft                   uint64
	inodesHard, inodesSoft       uint64
	blocks, inodes               uint64
	inodesTimer, blocksTimer     int32
	inodesWarns, blocksWarns     uint16
	_                            [4]byte
	realHard, realSoft, realUsed uint64
	realTimer                    int32
	realWarns                    uint16
	_                            [10]byte
}

// block is the unit of amounts, in bytes.
const block = 512

// The commands of quotactl, for projects; what they are told in a diskQuota.
const (
	projects = 2
	cmdGet   = 0x5803<<8 | projects
	cmdLimit = 0x5804<<8 | projects
	cmdState = 0x5805<<8 | projects

	version      = 1
	kindProject  = 2
	limitsBlocks = 1<<2 | 1<<3
)

func get(f *os.File, project uint32) (q diskQuota, err error) {
	err = quotactl(f, cmdGet, project, unsafe.Pointer(&q))
	if errors.Is(err, unix.ENOENT) { // of which there is nothing
		return diskQuota{}, nil
	}
	return q, err
}

func limit(f *os.File, project uint32, bytes int64) error {
	q := diskQuota{version: version, kind: kindProject, fields: limitsBlocks, id: project}
	q.hard = (uint64(bytes) + block - 1) / block
	q.soft = q.hard
	if err := quotactl(f, cmdLimit, project, unsafe.Pointer(&q)); err != nil {
		return fmt.Errorf("limiting project %d: %w", project, err)
	}
	return nil
}

// Project quotas are of use where they are counted and enforced.
const enforcing = 1<<4 | 1<<5

// enforced is ErrNone where a limit would be none.
func enforced(f *os.File) error {
	var state [128]byte // struct fs_quota_stat is shorter
	if err := quotactl(f, cmdState, 0, unsafe.Pointer(&state)); err != nil {
		return ErrNone
	}
	if binary.NativeEndian.Uint16(state[2:])&enforcing != enforcing {
		return ErrNone
	}
	return nil
}

// quotactl asks the file system that f is on.
func quotactl(f *os.File, cmd int, id uint32, arg unsafe.Pointer) error {
	_, _, errno := unix.Syscall6(unix.SYS_QUOTACTL_FD, f.Fd(), uintptr(cmd), uintptr(id), uintptr(arg), 0, 0)
	if errno == unix.ENOSYS { // before Linux 5.14, or quotas are beyond this kernel
		return quotactlDevice(f, cmd, id, arg)
	}
	if errno != 0 {
		return errno
	}
	return nil
}

func quotactlDevice(f *os.File, cmd int, id uint32, arg unsafe.Pointer) error {
	device, err := deviceOf(f)
	if err != nil {
		return err
	}
	path, err := unix.BytePtrFromString(device)
	if err != nil {
		return err
	}
	_, _, errno := unix.Syscall6(unix.SYS_QUOTACTL, uintptr(cmd), uintptr(unsafe.Pointer(path)), uintptr(id), uintptr(arg), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// deviceOf is the block device that f is on, by the kernel's own name for it.
func deviceOf(f *os.File) (string, error) {
	var s unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &s); err != nil {
		return "", err
	}
	b, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/uevent", unix.Major(s.Dev), unix.Minor(s.Dev)))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "DEVNAME="); ok {
			return filepath.Join("/dev", name), nil
		}
	}
	return "", errors.New("its device has no name")
}
