package archive

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"
)

// Config is what a Store needs to know. Only Dir must be set.
type Config struct {
	// Dir holds the store; it is made if need be. It should be on the file system
	// that the containers' writable layers are on.
	Dir    string
	Limits Limits
	// Parallel is how many archives are fetched and unpacked at once; 0 is 4.
	Parallel int
	// Deadline bounds one Pull; 0 is 30 minutes. What was fetched until then is
	// kept for the next.
	Deadline time.Duration
	// Stall is how long a server may send next to nothing; 0 is 30 s.
	Stall time.Duration
	// High and Low are marks of the disk's use in percent of bytes or inodes, the
	// larger: above High [Store.Collect] clears until Low. 0 is 85 and 75.
	High, Low int
	// InUse is every key ([Tree.Key]) that a container of this node lies over,
	// running or not. Without it, or where it fails, nothing is cleared.
	InUse func(ctx context.Context) ([]string, error)
	// Log is nil for none.
	Log *slog.Logger
}

// Limits bound what an archive may ask of the node. A zero field is its default.
type Limits struct {
	// Packed is how many bytes may be fetched; 4 GiB.
	Packed int64
	// Bytes is how many may come out; 16 GiB.
	Bytes int64
	// Entries is how many files, folders and links there may be; 200,000.
	Entries int
	// Depth of a path in folders; 64.
	Depth int
	// Ratio is how many bytes may come out for each that was fetched, beyond the
	// first 64 MiB; 200: text that compresses better is made to.
	Ratio int64
	// Reserve is how many bytes of the disk are left free for others; 256 MiB.
	// Negative is none.
	Reserve int64
}

// freeOfRatio is what any archive may unpack to.
const freeOfRatio = 64 << 20

func (c Config) complete() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("the archive store has no directory")
	}
	var err error
	c.Dir, err = filepath.Abs(c.Dir)
	c.Parallel = cmp.Or(c.Parallel, 4)
	c.Deadline = cmp.Or(c.Deadline, 30*time.Minute)
	c.Stall = cmp.Or(c.Stall, 30*time.Second)
	c.High, c.Low = cmp.Or(c.High, 85), cmp.Or(c.Low, 75)
	l := &c.Limits
	l.Packed, l.Bytes = cmp.Or(l.Packed, 4<<30), cmp.Or(l.Bytes, 16<<30)
	l.Entries, l.Depth = cmp.Or(l.Entries, 200_000), cmp.Or(l.Depth, 64)
	l.Ratio, l.Reserve = cmp.Or(l.Ratio, 200), cmp.Or(l.Reserve, 256<<20)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, err
}

// most is what an archive of that many bytes may unpack to.
func (l Limits) most(packed int64) int64 {
	if packed > (l.Bytes-freeOfRatio)/l.Ratio {
		return l.Bytes
	}
	return min(l.Bytes, max(freeOfRatio, packed*l.Ratio))
}
