package registries

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/bayplan/bayplan/schema"
)

// Access is by which ways registries are asked. It never changes; the zero value
// has no mirrors.
type Access struct {
	mirrors map[string][]string
	plain   []string
}

// dockerHub is how people call the registry that is asked where an image names
// none.
const dockerHub = "docker.io"

// NewAccess is a machine's own settings, and behind them the cluster's. Mirrors
// are by the registry that they stand for; plain are registries by name that are
// spoken to without TLS if they do not have it.
func NewAccess(mirrors map[string][]string, plain []string, cluster []schema.Registry) *Access {
	a := &Access{mirrors: map[string][]string{}, plain: slices.Clone(plain)}
	for host, list := range mirrors {
		a.mirrors[known(host)] = append(a.mirrors[known(host)], list...)
	}
	for _, r := range cluster {
		a.mirrors[known(r.Name)] = append(a.mirrors[known(r.Name)], r.Mirrors...)
		if r.PlainHTTP {
			a.plain = append(a.plain, r.Name)
		}
	}
	return a
}

// known is the one name of a registry: Docker Hub goes by two.
func known(host string) string {
	if host == name.DefaultRegistry {
		return dockerHub
	}
	return host
}

// Sources are the places to ask for a repository: the mirrors in their order and
// the registry itself.
func (a *Access) Sources(repo name.Repository) ([]name.Repository, error) {
	var all []name.Repository
	host := repo.RegistryStr()
	for _, mirror := range a.mirrors[known(host)] {
		m, err := a.mirrored(mirror, repo)
		if err != nil {
			return nil, fmt.Errorf("mirror %s of %s: %w", mirror, host, err)
		}
		all = append(all, m)
	}
	repo, err := name.NewRepository(repo.Name(), a.options(host)...)
	if err != nil {
		return nil, err
	}
	return append(all, repo), nil
}

// mirrored is the repository's place in a mirror.
func (a *Access) mirrored(mirror string, repo name.Repository) (name.Repository, error) {
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

func (a *Access) options(host string) []name.Option {
	if slices.Contains(a.plain, host) {
		return []name.Option{name.Insecure}
	}
	return nil
}

// MayBePlain is whether the host was said to have no TLS: by its name, or by a
// mirror's address.
func (a *Access) MayBePlain(host string) bool {
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
