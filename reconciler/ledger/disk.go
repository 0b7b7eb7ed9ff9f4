package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/schema"
)

const (
	// MinFree is what Open asks for: a segment of the write-ahead log, the next
	// one that etcd prepares beside it, and room for the database to grow.
	MinFree schema.Bytes = 64 << 20
	// floor is where writes stop, above the next segment and a snapshot. etcd
	// ends when it cannot write, so what it was given must fit.
	floor schema.Bytes = 16 << 20
	// ahead is how much disk the database owns beyond its present size: what
	// was let in can be committed even if others take the rest of the disk.
	ahead schema.Bytes = 8 << 20
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
	if err := roomFor(l.cfg.Dir, floor); err != nil {
		return err
	}
	return l.member.reserve(l.cfg.Dir)
}

// reserve keeps blocks of the disk ready for the database, before it grows. A
// file system that cannot do that does without.
func (m *member) reserve(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	want := schema.Bytes(m.etcd.Server.Backend().Size()) + ahead
	if want-m.reserved <= ahead/2 {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(dir, "etcd/member/snap/db"), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("reserving disk: %w", err)
	}
	defer f.Close()
	switch err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, int64(want)); {
	case errors.Is(err, unix.ENOSPC):
		return &DiskError{Dir: dir, Need: ahead}
	case err != nil && !errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("reserving disk: %w", err)
	}
	m.reserved = want
	return nil
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
