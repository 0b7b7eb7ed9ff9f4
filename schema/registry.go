package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Registry is how the cluster's machines reach an image registry. Passwords are
// no part of it: they stand on the machines.
type Registry struct {
	// Name is the registry's, as images name it: "docker.io",
	// "registry.example:5000".
	Name string `json:"name"`
	// Mirrors are asked in their order before the registry:
	// "mirror.example:5000/hub" or "http://10.0.0.1:5000". A path is put before
	// the repository's.
	Mirrors []string `json:"mirrors,omitempty"`
	// PlainHTTP lets the registry be spoken to without TLS if it does not have it.
	PlainHTTP bool `json:"plainHTTP,omitempty"`
}

// MaxMirrors bounds a registry's: each may cost a wait before the next is asked.
const MaxMirrors = 8

const hostPattern = `(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[0-9]{1,5})?`

var (
	registryName  = regexp.MustCompile(`^` + hostPattern + `$`)
	mirrorAddress = regexp.MustCompile(`^(?:https?://)?(` + hostPattern + `)(?:/[a-z0-9._/-]*)?$`)
)

// Check finds what is wrong with the registry beyond its fields' types.
func (r *Registry) Check() (all []Problem) {
	add := func(path []string, format string, args ...any) {
		all = append(all, Problem{path, fmt.Sprintf(format, args...)})
	}
	if !registryName.MatchString(r.Name) {
		add(nil, `%q is no registry: want a host such as "docker.io" or "registry.example:5000"`, r.Name)
	}
	if n := len(r.Mirrors); n > MaxMirrors {
		add([]string{"mirrors"}, "%d mirrors: %d at most", n, MaxMirrors)
	}
	for i, m := range r.Mirrors {
		path := []string{"mirrors", strconv.Itoa(i)}
		at := mirrorAddress.FindStringSubmatch(m)
		switch {
		case strings.Contains(m, "@"):
			add(path, "a mirror's password does not belong into the repository: put it into the docker config file of server and nodes (--registry-auth)")
		case at == nil:
			add(path, `%q is no mirror: want an address such as "mirror.example:5000" or "http://10.0.0.1:5000/hub"`, m)
		case at[1] == r.Name:
			add(path, "%s is the registry itself: it is asked last anyhow", m)
		case slices.Contains(r.Mirrors[:i], m):
			add(path, "%s stands here twice", m)
		}
	}
	return all
}
