package bridge

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
)

func TestTogether_CallsDuringARoundShareTheNext(t *testing.T) {
	const more = 7
	var g together[int]
	var wg sync.WaitGroup
	var sizes []int
	g.run = func(items []int) error {
		if sizes = append(sizes, len(items)); len(sizes) == 1 {
			for i := range more {
				wg.Go(func() { wantError(t, g.do(i)) })
			}
			for g.waiting() < more {
				runtime.Gosched()
			}
		}
		return errors.New("round")
	}
	wantError(t, g.do(0))
	wg.Wait()
	if !slices.Equal(sizes, []int{1, more}) {
		t.Errorf("rounds of %v", sizes)
	}
}

func wantError(t *testing.T, err error) {
	if err == nil {
		t.Error("a call got no error of its round")
	}
}

// waiting is how many items the next round has.
func (g *together[T]) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.next == nil {
		return 0
	}
	return len(g.next.items)
}
