package images

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Config is what a Store needs to know. Only Dir must be set.
type Config struct {
	// Dir holds the store; it is made if need be. It should be on the file
	// system that the containers' writable layers are on.
	Dir string
	// Platform is what images must be for, "linux/arm64" or "linux/arm/v7"; ""
	// is this machine's.
	Platform string
	// AuthFile is a docker config file with the registries' passwords; "" is
	// Docker's own (DOCKER_CONFIG or ~/.docker/config.json).
	AuthFile string
	// Credentials, if set, is asked first. Its zero answer leaves the registry
	// to AuthFile. It is called with the registry's name ("registry.example:5000",
	// "index.docker.io"), also for mirrors.
	Credentials func(ctx context.Context, registry string) (Credentials, error)
	// Mirrors are asked in their order before the registry that they stand for:
	// "docker.io" → "mirror.example:5000/hub" or "http://10.0.0.1:5000". A path
	// is put before the repository's.
	Mirrors map[string][]string
	// PlainHTTP are registries, by name, that are spoken to without TLS if they
	// do not have it. Those on loopback always are, as with Docker.
	PlainHTTP []string
	// Limits bound what an image may ask of the node.
	Limits Limits
	// Parallel is how many layers are fetched and unpacked at once over all
	// pulls; 0 is 3, as with Docker.
	Parallel int
	// Deadline bounds one pull; 0 is 30 minutes. What was fetched until then is
	// kept for the next.
	Deadline time.Duration
	// Stall is how long a registry may send next to nothing; 0 is 30 s.
	Stall time.Duration
	// High and Low are marks of the disk's use in percent of bytes or inodes,
	// the larger: above High [Store.Collect] clears until Low. 0 is 85 and 75.
	High, Low int
	// InUse is every digest ([Image.Digest]) that a container of this node was
	// made from, running or not. It is asked at each clearing and must not begin
	// another. Without it, or where it fails, nothing is cleared.
	InUse func(ctx context.Context) ([]string, error)
	// Progress, if set, is told how a pull gets on, some times a second; it
	// must not block.
	Progress func(Progress)
	// Log is nil for none.
	Log *slog.Logger
}

// Credentials are what a registry is shown. The zero value is nothing.
type Credentials struct {
	User, Password string
	// Token is a bearer token, in place of User and Password.
	Token string
}

// Progress is how far a pull is.
type Progress struct {
	// Image is the reference as it was asked for.
	Image string
	// Done and Total are bytes as they travel; layers that were present count
	// as done.
	Done, Total int64
}

// Limits bound what an image may ask of the node. A zero field is its default.
type Limits struct {
	// LayerBytes of one layer, unpacked; 32 GiB: more than the largest layer
	// of images with a GPU's libraries.
	LayerBytes int64
	// Entries of one layer; 1,000,000.
	Entries int
	// Depth of a path in directories; 128.
	Depth int
	// Layers of an image; 256: the kernel joins at most 500.
	Layers int
	// Reserve is how many bytes of the disk a pull leaves free for others;
	// 256 MiB. Negative is none.
	Reserve int64
}

func (l Limits) withDefaults() Limits {
	l.LayerBytes = cmp.Or(l.LayerBytes, 32<<30)
	l.Entries = cmp.Or(l.Entries, 1_000_000)
	l.Depth = cmp.Or(l.Depth, 128)
	l.Layers = cmp.Or(l.Layers, 256)
	l.Reserve = cmp.Or(l.Reserve, 256<<20)
	return l
}

// complete fills what was left out and refuses what makes no sense.
func (c Config) complete() (Config, v1.Platform, error) {
	if c.Dir == "" {
		return c, v1.Platform{}, errors.New("the image store has no directory")
	}
	var err error
	if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return c, v1.Platform{}, err
	}
	platform, err := v1.ParsePlatform(cmp.Or(c.Platform, runtime.GOOS+"/"+runtime.GOARCH))
	if err != nil || platform.OS == "" || platform.Architecture == "" {
		return c, v1.Platform{}, fmt.Errorf("platform %q: want os/arch or os/arch/variant", c.Platform)
	}
	c.Limits = c.Limits.withDefaults()
	c.Parallel = cmp.Or(c.Parallel, 3)
	c.Deadline = cmp.Or(c.Deadline, 30*time.Minute)
	c.Stall = cmp.Or(c.Stall, 30*time.Second)
	c.High, c.Low = cmp.Or(c.High, 85), cmp.Or(c.Low, 75)
	if c.Low > c.High || c.Low < 0 || c.High > 100 {
		return c, v1.Platform{}, fmt.Errorf("disk marks %d and %d: want 0 ≤ low ≤ high ≤ 100", c.Low, c.High)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, *platform, nil
}
