package bench

import (
	"testing"
	"time"
)

// BenchmarkDev is the newcomer's wait: `bayplan dev` with three nodes and the
// sample's three slots.
func BenchmarkDev(b *testing.B) {
	const times, limit = 3, 5 * time.Second
	var took series
	for range times {
		b.Run("start", func(b *testing.B) {
			took = append(took, up(b, docker, 3).took)
			report(b, took[len(took)-1], "to-healthy")
		})
	}
	results.add(row{rank: 3, what: "bayplan dev, start to the sample healthy", limit: "<= " + ms(limit), measured: took.String(), within: took.median() <= limit})
}
