package engine

import (
	"context"
	"path/filepath"
	"time"

	"github.com/bayplan/bayplan/nodes/native/archive"
)

// archiveStore is the node's archives, tended.
type archiveStore struct {
	*archive.Store
	stop func()
}

// tendArchives is often enough for a store that only deployments fill.
const tendArchives = 10 * time.Minute

func openArchives(cfg Config, inUse func(context.Context) ([]string, error)) (*archiveStore, error) {
	s, err := archive.Open(archive.Config{
		Dir: filepath.Join(cfg.Dir, "archives"), High: cfg.Images.High, Low: cfg.Images.Low, InUse: inUse, Log: cfg.Log,
	})
	return &archiveStore{Store: s, stop: func() {}}, err
}

// tend begins to look at the disk.
func (s *archiveStore) tend() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Tend(ctx, tendArchives)
	}()
	s.stop = func() {
		cancel()
		<-done
	}
}

// Close ends the tending before the store.
func (s *archiveStore) Close() error {
	s.stop()
	return s.Store.Close()
}
