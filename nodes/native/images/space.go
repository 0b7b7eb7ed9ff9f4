package images

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// disk is the state of the store's file system.
type disk struct {
	free int64 // bytes that this process may write
	used int   // percent of bytes or inodes, the larger
}

func statDisk(dir string) (disk, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return disk{}, local(fmt.Errorf("statfs %s: %w", dir, err))
	}
	used := percent(st.Blocks-st.Bfree, st.Blocks-st.Bfree+st.Bavail)
	return disk{free: int64(st.Bavail) * st.Bsize, used: max(used, percent(st.Files-st.Ffree, st.Files))}, nil
}

// percent rounds up, so that 100 is never hidden; of nothing it is 0.
func percent(part, whole uint64) int {
	if whole == 0 {
		return 0
	}
	return int((part*100 + whole - 1) / whole)
}

// checkRoom is whether the disk takes that many bytes and keeps its reserve.
func (s *Store) checkRoom(bytes int64) error {
	d, err := s.disk()
	if err != nil {
		return err
	}
	if reserve := max(s.cfg.Limits.Reserve, 0); d.free < bytes+reserve {
		return local(fmt.Errorf("%d MiB are free, and %d MiB beside a reserve of %d MiB are wanted: %w",
			d.free>>20, bytes>>20, reserve>>20, unix.ENOSPC))
	}
	return nil
}

// makeRoom refuses early what cannot be fetched: it clears unused images when
// that many bytes do not fit beside the reserve.
func (s *Store) makeRoom(ctx context.Context, bytes int64) error {
	full := s.checkRoom(bytes)
	if full == nil || bytes == 0 || s.cfg.InUse == nil {
		return full
	}
	_, err := s.clear(ctx, freshFor, func() (bool, error) { return s.checkRoom(bytes) != nil, nil })
	if err != nil {
		s.cfg.Log.Warn("making room for an image", "err", err)
	}
	return s.checkRoom(bytes)
}
