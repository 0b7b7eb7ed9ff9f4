package nodes

import (
	"fmt"

	"github.com/bayplan/bayplan/schema"
)

// Ending tells of something that went wrong as an instance came to its end: its
// post-stop failed. The instance itself is gone by then, and nothing waits.
type Ending struct {
	ID   string      `json:"id"`
	Slot schema.Slot `json:"slot"`
	// Failure tells what, with the end of what it had written.
	Failure Failure `json:"failure"`
}

// MaxEndings is how many of them a report tells at most, the newest.
const MaxEndings = 32

func (e Ending) equal(f Ending) bool {
	return e.ID == f.ID && e.Slot == f.Slot && sameFailure(&e.Failure, &f.Failure)
}

func boundEndings(all []Ending) error {
	if n := len(all); n > MaxEndings {
		return fmt.Errorf("%d endings, over the limit of %d", n, MaxEndings)
	}
	for k := range all {
		i := Instance{ID: all[k].ID, Slot: all[k].Slot, Failure: &all[k].Failure}
		if err := i.bound(); err != nil {
			return fmt.Errorf("the ending of %q: %w", CutText(all[k].ID), err)
		}
	}
	return nil
}
