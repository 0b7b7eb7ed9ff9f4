package forge

import (
	"context"
	"io/fs"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// Text is a commit with its files.
type Text struct {
	Revision schema.Revision
	Files    fs.FS
}

// Pulls reads pull requests from the repository; reconciler/source has the real
// one.
type Pulls interface {
	// List has the newest commit of each by its number, and the tracked branch's.
	List(ctx context.Context) (heads map[int]string, branch string, err error)
	// Bring is a pull request as it is now, and where it left the branch.
	Bring(ctx context.Context, number int) (head, fork Text, err error)
}

// Cluster is what plans and tells; reconciler/loop has the real one.
type Cluster interface {
	Preview(ctx context.Context, base *schema.Spec, head schema.Spec) (*status.Preview, error)
	Status() (*status.Status, <-chan struct{})
	// Pins is whether commits are held against approved plans, and the plans that
	// wait for theirs; Pin adds one, Unpin takes it back.
	Pins() (on bool, plans []reconciler.PinnedPlan)
	Pin(ctx context.Context, p reconciler.PinnedPlan) error
	Unpin(ctx context.Context, v reconciler.Voucher, why string) error
}

// Host is the forge; [Client] is the real one.
type Host interface {
	OpenPulls(ctx context.Context, branch string) ([]Request, error)
	SetStatus(ctx context.Context, commit string, s CommitStatus) error
	// Comment returns when the comment was last written, by the forge's clock.
	Comment(ctx context.Context, number int, marker, text string) (written time.Time, err error)
	// Approvals are those that are in force, of people who may write to the
	// repository.
	Approvals(ctx context.Context, number int) ([]Approval, error)
	// Merged is whether a pull request is no longer open since it was merged.
	Merged(ctx context.Context, number int) (bool, error)
}
