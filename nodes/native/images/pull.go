package images

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
)

// Pull makes the image present, and returns at once if it is: a tag that has
// moved since is not asked for again. Of callers that want the same at once one
// fetches; the end of ctx ends the caller's own wait, and the fetching when
// nobody waits any more. Every trouble of the image, the registry or the disk is
// an [*agent.Error].
func (s *Store) Pull(ctx context.Context, ref string) (Image, error) {
	r, err := parseReference(ref)
	if err != nil {
		return Image{}, err
	}
	image, err := s.Get(ref)
	if err == nil {
		return image, nil
	}
	if r.parsed == nil {
		return Image{}, fail(nodes.ImageNotFound, nil, "image %s: a digest alone does not say which registry has it", ref)
	}
	image, err = s.pulls.do(ctx, r.key(), r.parsed.Context().Name(), func(ctx context.Context) (Image, error) {
		image, err := s.pull(ctx, r)
		return image, explain(r, err)
	})
	if _, ok := errors.AsType[*agent.Error](err); err != nil && !ok {
		err = fmt.Errorf("pulling %s: %w", ref, err)
	}
	return image, err
}

// pull is the fetching of one image.
type pull struct {
	s   *Store
	ref reference
	// total is zero until the manifest is there.
	total, done atomic.Int64

	mu sync.Mutex // the rest
	// sources are never empty; the last is the registry itself.
	sources []*source
	// made are the layers that this pull brought, by diffID.
	made []string
	told time.Time
}

func (s *Store) pull(ctx context.Context, r reference) (Image, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.Deadline, fmt.Errorf("%w: %s", errDeadline, s.cfg.Deadline))
	defer cancel()
	sources, err := s.sources(r.parsed.Context())
	if err != nil {
		return Image{}, err
	}
	p := &pull{s: s, ref: r, sources: sources}
	s.underWay.Store(r.key(), p)
	defer s.underWay.CompareAndDelete(r.key(), p)
	m, err := p.manifest(ctx)
	if err != nil {
		return Image{}, err
	}
	names := append(r.names(), m.aliases...)
	if image, ok, err := s.known(m.digest, names); ok {
		return image, err
	}
	config, err := p.config(ctx, m)
	if err != nil {
		return Image{}, err
	}
	return p.fetch(ctx, m, config, names)
}

// known is for an image that is present under another name.
func (s *Store) known(digest string, names []string) (Image, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := s.images[digest]
	if rec == nil {
		return Image{}, false, nil
	}
	s.touch(rec)
	return s.image(rec), true, local(s.rename(rec, names))
}

// fetch gets the layers side by side and then writes the image down.
func (p *pull) fetch(ctx context.Context, m *manifest, config *v1.ConfigFile, names []string) (Image, error) {
	rec := &record{Digest: m.digest, Config: runConfig(config.Config), Created: config.Created.Time}
	for _, l := range config.RootFS.DiffIDs {
		rec.Layers = append(rec.Layers, l.String())
	}
	p.s.want(rec.Layers)
	image, err := p.fetchWanted(ctx, m, rec, names)
	p.s.unwant(rec.Layers)
	if err != nil && (isLocal(err) || isContent(err)) {
		p.discard()
	}
	return image, p.s.sized(err)
}

func (p *pull) fetchWanted(ctx context.Context, m *manifest, rec *record, names []string) (Image, error) {
	if err := p.s.makeRoom(ctx, p.missing(m, rec.Layers)); err != nil {
		return Image{}, err
	}
	for _, l := range m.layers {
		p.total.Add(l.Size)
	}
	group, ctx := errgroup.WithContext(ctx)
	for i, l := range m.layers {
		group.Go(func() error { return p.layer(ctx, l, rec.Layers[i]) })
	}
	if err := group.Wait(); err != nil {
		return Image{}, err
	}
	return p.s.commit(rec, names)
}

// discard removes the layers that were made for an image that will not come to
// be: another attempt would end as this one did, or wants the room.
func (p *pull) discard() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.made {
		place, _, err := p.s.drop(l)
		if err == nil && place != "" {
			err = os.RemoveAll(place)
		}
		if err != nil {
			p.s.cfg.Log.Warn("a layer of a failed pull is left", "layer", l, "err", err)
		}
	}
}

// missing is how many bytes are to be fetched.
func (p *pull) missing(m *manifest, diffIDs []string) int64 {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	var sum int64
	for i, l := range m.layers {
		if _, ok := p.s.layers[diffIDs[i]]; !ok {
			sum += l.Size
		}
	}
	return sum
}

// commit is the moment from which the image is there.
func (s *Store) commit(rec *record, names []string) (Image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writeJSON(s.imageFile(rec.Digest), rec); err != nil {
		return Image{}, local(err)
	}
	s.images[rec.Digest] = rec
	s.touch(rec)
	s.cfg.Log.Info("image pulled", "image", names[len(names)-1], "digest", rec.Digest)
	return s.image(rec), local(s.rename(rec, names))
}

// Fetched is how many bytes of an image have come, and of how many, while it is
// being pulled; false before that is known, and where it is not.
func (s *Store) Fetched(ref string) (done, total int64, ok bool) {
	r, err := parseReference(ref)
	if err != nil {
		return 0, 0, false
	}
	found, ok := s.underWay.Load(r.key())
	if !ok {
		return 0, 0, false
	}
	p := found.(*pull)
	total = p.total.Load()
	return min(p.done.Load(), total), total, total > 0
}

// want keeps layers from being cleared before their image is written down.
func (s *Store) want(diffIDs []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range diffIDs {
		s.wanted[l]++
	}
}

func (s *Store) unwant(diffIDs []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range diffIDs {
		if s.wanted[l]--; s.wanted[l] == 0 {
			delete(s.wanted, l)
		}
	}
}

// tellEvery is often enough for a person's eye.
const tellEvery = 200 * time.Millisecond

// advance counts bytes as they arrive.
func (p *pull) advance(n int64) {
	done := p.done.Add(n)
	total := p.total.Load()
	if p.s.cfg.Progress == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); done >= total || now.Sub(p.told) >= tellEvery {
		p.told = now
		p.s.cfg.Progress(Progress{Image: p.ref.given, Done: done, Total: total})
	}
}
