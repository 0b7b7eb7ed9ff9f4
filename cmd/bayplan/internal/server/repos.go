package server

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/bayplan/bayplan/reconciler/forge"
	"github.com/bayplan/bayplan/reconciler/loop"
	"github.com/bayplan/bayplan/reconciler/source"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
)

// Repo is a repository that is followed beside the operators'.
type Repo struct {
	// Name is what its work is known by for as long as there is any.
	Name   string
	Source source.Config
	// Forge is as Config.Forge, about this one's.
	Forge forge.Config
}

// following is one that is open.
type following struct {
	Repo
	source *source.Source
	// load is the operators' own alone.
	load func(context.Context, fs.FS, schema.Revision) (schema.Spec, error)
}

func (c *Config) checkOthers() error {
	names := map[string]bool{c.Followed: c.Followed != ""}
	for _, r := range c.Others {
		switch {
		case !schema.ValidName(r.Name):
			return fmt.Errorf("a repository cannot be called %q: %s", r.Name, schema.NameRule)
		case names[r.Name]:
			return fmt.Errorf("two repositories cannot both be called %s", r.Name)
		}
		names[r.Name] = true
	}
	return nil
}

// dirOf is a folder of a repository's; the operators' is where the only one was.
func (s *server) dirOf(repo, what string) string {
	if repo == "" {
		return filepath.Join(s.Dir, what)
	}
	return filepath.Join(s.Dir, "repos", repo, what)
}

// openOthers opens the mirrors of the repositories beside the operators'.
func (s *server) openOthers() error {
	for _, r := range s.Others {
		cfg := r.Source
		cfg.Dir, cfg.Log = s.dirOf(r.Name, "mirror"), s.Log.With("repo", r.Name)
		src, err := source.Open(cfg)
		if err != nil {
			return fmt.Errorf("repository %s: %w", r.Name, err)
		}
		s.others = append(s.others, following{Repo: r, source: src})
	}
	return nil
}

// follow is what the loop is to follow beside the operators' repository.
func (s *server) follow() (all []loop.Repo, err error) {
	for _, f := range s.others {
		cache, err := load.OpenCache(s.dirOf(f.Name, "evaluated"))
		if err != nil {
			return nil, err
		}
		all = append(all, loop.Repo{Followed: status.Followed{Name: f.Name, Source: f.Source.URL, Branch: f.Source.Branch, Root: f.Source.Root},
			Source: f.source, Load: s.guestLoader(cache)})
	}
	return all, nil
}

// followed is what people know the operators' repository by.
func (s *server) followed() status.Followed {
	return status.Followed{Name: s.Followed, Source: s.Source.URL, Branch: s.Source.Branch, Root: s.Source.Root}
}

// guestLoader evaluates trees of a repository that is not the operators': by their
// part of it, and of the environment that is reconciled if it has one of that name.
func (s *server) guestLoader(cache *load.Cache) loop.Loader {
	var one sync.Mutex
	return func(ctx context.Context, operators, files fs.FS, rev schema.Revision) (schema.Spec, error) {
		one.Lock()
		defer one.Unlock()
		return load.LoadContext(ctx, files, rev, append(s.loading(cache), load.AsGuest(files, operators, s.Environment))...)
	}
}

// look has all repositories looked at: what a webhook says of where it comes from
// is not trusted.
func (s *server) look() {
	s.source.Poke()
	for _, f := range s.others {
		f.source.Poke()
	}
}

func (s *server) lookAtPulls() {
	for _, r := range s.reviews {
		r.Look()
	}
}

// oneBranch is the branch that all repositories are followed on; "" where they differ.
func (s *server) oneBranch() string {
	for _, f := range s.others {
		if f.Source.Branch != s.Source.Branch {
			return ""
		}
	}
	return s.Source.Branch
}
