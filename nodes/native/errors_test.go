package native

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// What a volume's disk has against a start is told as that, by the agent's own
// error as by the monitor's words.
func TestStart_OnADiskThatIsReadOnlyOrFull(t *testing.T) {
	path := func(err error) error { return &fs.PathError{Op: "mkdir", Path: "/volumes/db.0", Err: err} }
	text := func(err error) *bundle.Trouble {
		return &bundle.Trouble{Text: fmt.Sprintf("making the volume at /data: %v", path(err))}
	}
	for want, errs := range map[nodes.FailureCode][]error{
		nodes.VolumeUnavailable: {fmt.Errorf("volume at /data: %w", path(syscall.EROFS)), troubled(text(syscall.EROFS))},
		nodes.DiskFull:          {fmt.Errorf("volume at /data: %w", path(syscall.ENOSPC)), troubled(text(syscall.ENOSPC))},
		nodes.StartFailed:       {fmt.Errorf("volume at /data: %w", path(syscall.EIO)), troubled(text(syscall.EIO)), troubled(&bundle.Trouble{Text: "mounting /x: read-only file system"})},
	} {
		for _, err := range errs {
			e, ok := errors.AsType[*agent.Error](explainStart(agent.Container{ID: "shop/db.0@d"}, err))
			if !ok || e.Failure.Code != want {
				t.Errorf("%v: got %+v, want %s", err, e, want)
			}
		}
	}
}
