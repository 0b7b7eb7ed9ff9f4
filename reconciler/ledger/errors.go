package ledger

import (
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/bayplan/bayplan/schema"
)

// What can go wrong, for errors.Is; the error itself says what to do next.
var (
	// ErrClosed is any call after Close.
	ErrClosed = errors.New("ledger is closed")
	// ErrLocked is a data folder that another server uses.
	ErrLocked = errors.New("data folder is in use")
	// ErrDiskFull is too little space under the data folder.
	ErrDiskFull = errors.New("disk full")
	// ErrCorrupt is stored data that cannot be read.
	ErrCorrupt = errors.New("ledger data is corrupt")
	// ErrNewer is data of a later version of bayplan.
	ErrNewer = errors.New("ledger was written by a newer bayplan")
	// ErrNotReady is an embedded member that did not come up in time.
	ErrNotReady = errors.New("ledger is not ready")
	// ErrUnreachable is an outside cluster, or a member, that does not answer now
	// and may do so later: errdefs.IsUnavailable says the same.
	ErrUnreachable = errdefs.ErrUnavailable.WithMessage("etcd does not answer")
	// ErrFailed is an embedded member that died while it served.
	ErrFailed = errors.New("ledger has failed")
	// ErrLostEpoch is a write of a leader that is none any more: nothing of it
	// was written; campaign again and decide anew.
	ErrLostEpoch = errors.New("lost the epoch to another leader")
	// ErrTooLarge is a single fact above MaxFact, whose key the error names;
	// nothing was written.
	ErrTooLarge = errors.New("fact is too large")
	// ErrUnsorted is a border rule broken by the caller; nothing was written.
	ErrUnsorted = errors.New("facts are not sorted")
)

// DiskError is ErrDiskFull with its amounts.
type DiskError struct {
	Dir string
	// Free is what there is, Need what there should be.
	Free, Need schema.Bytes
}

func (e *DiskError) Error() string {
	return fmt.Sprintf("disk full: %s free under %s where %s are needed; free some space (du -xh %s), nothing is lost meanwhile",
		e.Free.Human(), e.Dir, e.Need.Human(), e.Dir)
}

// Is makes it ErrDiskFull.
func (e *DiskError) Is(target error) bool { return target == ErrDiskFull }

// plain turns etcd's own errors into this package's.
func plain(err error) error {
	switch {
	case errors.Is(err, rpctypes.ErrNoSpace):
		return fmt.Errorf("%w: etcd has reached its quota; compact and defragment it (etcdctl compact, etcdctl defrag), then etcdctl alarm disarm: %v", ErrDiskFull, err)
	case errors.Is(err, rpctypes.ErrTimeout), errors.Is(err, rpctypes.ErrNoLeader), errors.Is(err, rpctypes.ErrTimeoutDueToLeaderFail),
		errors.Is(err, rpctypes.ErrTimeoutDueToConnectionLost):
		return fmt.Errorf("%w: %v; is its disk slow, or a member away?", ErrUnreachable, err)
	case errors.Is(err, rpctypes.ErrCorrupt):
		return fmt.Errorf("%w: %v; restore a backup of etcd", ErrCorrupt, err)
	}
	return err
}
