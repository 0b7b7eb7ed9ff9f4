package ledger

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/schema"
)

const (
	// MinFree is what Open asks for: a segment of the write-ahead log, the next
	// one that etcd prepares beside it, and room for the database to grow.
	MinFree schema.Bytes = 64 << 20
	// floor is where writes stop: above what etcd writes by itself (a segment,
	// a commit of its database), which ends the member when it fails.
	floor schema.Bytes = 32 << 20
	// A disk is low at a share of its size within these bounds: early enough
	// to act, and no false alarm on a big disk.
	lowShare              = 15
	lowMin   schema.Bytes = 2 * MinFree
	lowMax   schema.Bytes = 1 << 30
)

// Free is the space that is left under the data folder and the size of its
// disk; both are zero for an outside cluster.
func (l *Ledger) Free() (free, total schema.Bytes, err error) {
	if l.member == nil {
		return 0, 0, nil
	}
	return diskFree(l.cfg.Dir)
}

// Low is a *DiskError while the disk under the data folder is nearly full, nil
// otherwise and for an outside cluster. It costs a microsecond: ask often.
func (l *Ledger) Low() error {
	if l.member == nil {
		return nil
	}
	free, total, err := diskFree(l.cfg.Dir)
	if err != nil {
		return err
	}
	return needs(l.cfg.Dir, free, lowMark(total))
}

// lowMark is below how much free space a disk of that size is low.
func lowMark(total schema.Bytes) schema.Bytes {
	return min(max(total*lowShare/100, lowMin), lowMax)
}

// room refuses to write once the floor is reached.
func (l *Ledger) room() error {
	if l.member == nil {
		return nil
	}
	return roomFor(l.cfg.Dir, floor)
}

func roomFor(dir string, need schema.Bytes) error {
	free, _, err := diskFree(dir)
	if err != nil {
		return err
	}
	return needs(dir, free, need)
}

func needs(dir string, free, need schema.Bytes) error {
	if free < need {
		return &DiskError{Dir: dir, Free: free, Need: need}
	}
	return nil
}

func diskFree(dir string) (free, total schema.Bytes, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return schema.Bytes(s.Bavail) * schema.Bytes(s.Bsize), schema.Bytes(s.Blocks) * schema.Bytes(s.Bsize), nil
}
