package images

import (
	"net/url"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// access is by which ways registries are asked.
type access struct {
	mirrors map[string][]string
	plain   []string
}

// SetAccess puts others in the place of [Config.Mirrors] and [Config.PlainHTTP],
// for the pulls that begin from now on. The caller leaves them as they are.
func (s *Store) SetAccess(mirrors map[string][]string, plainHTTP []string) {
	s.access.Store(&access{mirrors, plainHTTP})
}

// of are a registry's mirrors; Docker Hub goes by either of its names.
func (a *access) of(host string) []string {
	if list, ok := a.mirrors[host]; ok || host != name.DefaultRegistry {
		return list
	}
	return a.mirrors["docker.io"]
}

// mayBePlain is whether the host was said to have no TLS: by its name, or by a
// mirror's address.
func (a *access) mayBePlain(host string) bool {
	if slices.Contains(a.plain, host) {
		return true
	}
	for _, list := range a.mirrors {
		if slices.ContainsFunc(list, func(m string) bool {
			u, err := url.Parse(m)
			return err == nil && u.Scheme == "http" && u.Host == host
		}) {
			return true
		}
	}
	return false
}

func (a *access) options(host string) []name.Option {
	if slices.Contains(a.plain, host) {
		return []name.Option{name.Insecure}
	}
	return nil
}

// mirrored is the repository's place in a mirror.
func (a *access) mirrored(mirror string, repo name.Repository) (name.Repository, error) {
	if !strings.Contains(mirror, "://") {
		mirror = "https://" + mirror
	}
	u, err := url.Parse(mirror)
	if err != nil {
		return name.Repository{}, err
	}
	options := a.options(u.Host)
	if u.Scheme == "http" {
		options = append(options, name.Insecure)
	}
	path := strings.Trim(u.Path, "/") + "/" + repo.RepositoryStr()
	return name.NewRepository(u.Host+"/"+strings.TrimPrefix(path, "/"), options...)
}
