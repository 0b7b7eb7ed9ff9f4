package images

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// source is one place where an image's parts may be had: its registry or a
// mirror of it.
type source struct {
	s    *Store
	repo name.Repository
	// ready has room for one: the client, once somebody made it.
	ready chan *http.Client
}

// sources are the mirrors in their order and the registry itself, whose word
// counts last.
func (s *Store) sources(repo name.Repository) ([]*source, error) {
	places, err := s.access.Load().Sources(repo)
	if err != nil {
		return nil, err
	}
	var all []*source
	for _, p := range places {
		all = append(all, s.source(p))
	}
	return all, nil
}

func (s *Store) source(repo name.Repository) *source {
	o := &source{s: s, repo: repo, ready: make(chan *http.Client, 1)}
	o.ready <- nil
	return o
}

// get asks for "manifests" or "blobs". An answer that is not a success is a
// [*transport.Error].
func (o *source) get(ctx context.Context, kind, id string, header http.Header) (*http.Response, error) {
	client, err := o.client(ctx)
	if err != nil {
		return nil, err
	}
	u := url.URL{Scheme: o.repo.Scheme(), Host: o.repo.RegistryStr(), Path: fmt.Sprintf("/v2/%s/%s/%s", o.repo.RepositoryStr(), kind, id)}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header = header
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if err := transport.CheckError(resp, http.StatusOK, http.StatusPartialContent); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// client shakes hands with the registry, once: with or without TLS, and which
// password it wants.
func (o *source) client(ctx context.Context) (*http.Client, error) {
	var client *http.Client
	select {
	case client = <-o.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { o.ready <- client }()
	if client != nil {
		return client, nil
	}
	auth, err := o.s.credentials(ctx, o.repo)
	if err != nil {
		return nil, err
	}
	t, err := transport.NewWithContext(ctx, o.repo.Registry, auth, o.s.to(o.repo.RegistryStr()), []string{o.repo.Scope(transport.PullScope)})
	if err != nil {
		return nil, err
	}
	client = &http.Client{Transport: t, CheckRedirect: checkRedirect}
	return client, nil
}

// String is the registry's name.
func (o *source) String() string { return cmp.Or(o.repo.RegistryStr(), o.repo.Name()) }
