package bridge

import (
	"fmt"
	"sync/atomic"
	"testing"
)

// BenchmarkAttach is one container with two published ports: joined, then taken
// away; and 8 of them at a time.
func BenchmarkAttach(b *testing.B) {
	needRoot(b)
	for _, sides := range []int{1, 8} {
		b.Run(fmt.Sprint("sides=", sides), func(b *testing.B) { benchAttach(b, sides) })
	}
}

func benchAttach(b *testing.B, sides int) {
	n := network(b, Config{Dir: b.TempDir(), Key: "bench"})
	var next atomic.Int64
	b.SetParallelism(sides / 2) // of 2 processors
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := int(next.Add(1))
			id := fmt.Sprint(i)
			if _, err := n.Attach(background, id, both(20000+i%10000, 80)); err != nil {
				b.Error(err)
			}
			if err := n.Detach(background, id); err != nil {
				b.Error(err)
			}
		}
	})
}
