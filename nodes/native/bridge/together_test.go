package bridge

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

func TestTogether_CallsDuringARoundShareTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, sizes := make(chan struct{}), []int{}
		g := together[int]{run: func(items []int) error {
			<-gate
			sizes = append(sizes, len(items))
			return errors.New("round")
		}}
		var wg sync.WaitGroup
		begin := func(n int) {
			for i := range n {
				wg.Go(func() {
					if err := g.do(i); err == nil {
						t.Error("a call got no error")
					}
				})
			}
			synctest.Wait()
		}
		begin(1)
		begin(7)
		gate <- struct{}{}
		gate <- struct{}{}
		wg.Wait()
		if len(sizes) != 2 || sizes[0] != 1 || sizes[1] != 7 {
			t.Errorf("rounds of %v", sizes)
		}
	})
}
