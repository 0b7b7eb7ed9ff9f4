package bridge

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// BenchmarkAttach joins 64 containers with two published ports each, and takes
// them away again, by one caller and by 8 at a time.
func BenchmarkAttach(b *testing.B) {
	needRoot(b)
	for _, sides := range []int{1, 8} {
		b.Run(fmt.Sprint("callers=", sides), func(b *testing.B) { benchAttach(b, sides) })
	}
}

func benchAttach(b *testing.B, sides int) {
	const total = 64
	n := network(b, Config{Dir: b.TempDir(), Key: "bench"})
	var joined, left time.Duration
	for b.Loop() {
		joined += byAll(b, sides, total, func(i int) error {
			_, err := n.Attach(background, fmt.Sprint(i), []Port{{Host: 20000 + i, Container: 80}})
			return err
		})
		left += byAll(b, sides, total, func(i int) error { return n.Detach(background, fmt.Sprint(i)) })
	}
	b.ReportMetric(float64(total*b.N)/joined.Seconds(), "attached/s")
	b.ReportMetric(float64(total*b.N)/left.Seconds(), "detached/s")
}

// byAll shares the numbers below total among the callers.
func byAll(b *testing.B, sides, total int, do func(i int) error) time.Duration {
	begun := time.Now()
	var wg sync.WaitGroup
	for side := range sides {
		wg.Go(func() {
			for i := side; i < total; i += sides {
				if err := do(i); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return time.Since(begun)
}
