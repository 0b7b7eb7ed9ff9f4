package images

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/bayplan/bayplan/nodes/native/space"
	"github.com/bayplan/bayplan/nodes/registries"
)

// Waiting is how many callers wait for pulls.
func Waiting(s *Store) int {
	s.pulls.mu.Lock()
	defer s.pulls.mu.Unlock()
	sum := 0
	for _, f := range s.pulls.running {
		sum += f.waiting
	}
	return sum
}

// Hasten makes retries come at once.
func Hasten(s *Store) { s.pause = time.Millisecond }

// Age sets an image's last use.
func Age(s *Store, digest string, used time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.images[digest].used = used
}

// SetInUse replaces Config.InUse.
func SetInUse(s *Store, fn func(context.Context) ([]string, error)) { s.cfg.InUse = fn }

// SetDisk makes the disk as full as that, in percent.
func SetDisk(s *Store, used func() int) {
	s.disk = func() (space.Disk, error) { return space.Disk{Free: 1 << 40, Used: used()}, nil }
}

// SetDial makes every registry be that address.
func SetDial(s *Store, addr string) {
	meant := &http.Transport{ResponseHeaderTimeout: s.cfg.Stall}
	s.out = registries.NewOutward(meant, net.Dialer{})
	meant.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}
}

// Unpack is unpackLayer.
func Unpack(ctx context.Context, root string, packed io.Reader, limits Limits) (diffID string, err error) {
	_, diffID, err = unpackLayer(ctx, root, packed, limits.withDefaults(), func() error { return nil })
	return diffID, err
}
