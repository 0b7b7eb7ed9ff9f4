// Package space is the room on the file system that a store stands on.
package space

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Disk is the state of a file system.
type Disk struct {
	// Free is in bytes that this process may write.
	Free int64
	// Used is percent of bytes or inodes, the larger.
	Used int
}

// Of is the disk that a folder stands on.
func Of(dir string) (Disk, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return Disk{}, fmt.Errorf("statfs %s: %w", dir, err)
	}
	used := percent(st.Blocks-st.Bfree, st.Blocks-st.Bfree+st.Bavail)
	return Disk{Free: int64(st.Bavail) * st.Bsize, Used: max(used, percent(st.Files-st.Ffree, st.Files))}, nil
}

// percent rounds up, so that 100 is never hidden; of nothing it is 0.
func percent(part, whole uint64) int {
	if whole == 0 {
		return 0
	}
	return int((part*100 + whole - 1) / whole)
}

// Room is nil where the disk takes that many bytes and keeps its reserve, and
// wraps ENOSPC where it does not.
func (d Disk) Room(bytes, reserve int64) error {
	if reserve = max(reserve, 0); d.Free < bytes+reserve {
		return fmt.Errorf("%d MiB are free, and %d MiB beside a reserve of %d MiB are wanted: %w",
			d.Free>>20, bytes>>20, reserve>>20, unix.ENOSPC)
	}
	return nil
}
