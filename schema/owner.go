package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Owner bounds what the teams under a path may ask for. What is nil is not
// bounded. Where several fit a team, all of them hold.
type Owner struct {
	// Path is the beginning of teams' names: "shop/" is the team shop and all
	// below it, "/" is every team.
	Path string `json:"path"`
	// Pools are those that workloads may belong to.
	Pools []string `json:"pools,omitempty"`
	// Kinds are what workloads may be.
	Kinds []Kind `json:"kinds,omitempty"`
	// Registries are where images and artifacts may come from: a registry, or a
	// part of one, "registry.example/shop".
	Registries []string `json:"registries,omitempty"`
	// Quota is what all teams under the path may ask for together.
	Quota *Quota `json:"quota,omitempty"`
}

// EveryTeam is the path that all teams are under.
const EveryTeam = "/"

// Owns is whether a workload's team is under the path.
func (o *Owner) Owns(workload string) bool { return owns(o.Path, workload) }

func owns(path, workload string) bool { return path == EveryTeam || strings.HasPrefix(workload, path) }

func validOwned(path string) bool {
	if path == EveryTeam {
		return true
	}
	team, ok := strings.CutSuffix(path, "/")
	return ok && !slices.ContainsFunc(strings.Split(team, "/"), func(folder string) bool { return !ValidName(folder) })
}

// Check finds what is wrong with the owner beyond its fields' types.
func (o *Owner) Check() (all []Problem) {
	add := func(path []string, format string, args ...any) {
		all = append(all, Problem{path, fmt.Sprintf(format, args...)})
	}
	if !validOwned(o.Path) {
		add(nil, `%q is no path of teams: want a folder such as "shop/", or "/" for every team`, o.Path)
	}
	for i, r := range o.Registries {
		host, _, _ := strings.Cut(r, "/")
		if !registryName.MatchString(host) || !isHost(host) {
			add([]string{"registries", strconv.Itoa(i)}, `%q is no registry: want one such as "registry.example/shop" or "docker.io/library"`, r)
		}
	}
	return all
}

// Refuses is what the owner has against a workload by itself.
func (o *Owner) Refuses(w *Workload) (all []Problem) {
	add := func(path []string, format string, args ...any) {
		all = append(all, Problem{path, fmt.Sprintf("%s may have "+format, append([]any{o.Whom()}, args...)...)})
	}
	if o.Pools != nil && !slices.Contains(o.Pools, w.Pool) {
		add([]string{"pool"}, "workloads of pool %s only, got %q", choice(o.Pools), w.Pool)
	}
	if o.Kinds != nil && !slices.Contains(o.Kinds, w.Kind) {
		add([]string{"kind"}, "workloads of kind %s only, got %q", choice(o.Kinds), w.Kind)
	}
	if o.Registries == nil {
		return all
	}
	for _, s := range w.Origins() {
		if !slices.ContainsFunc(o.Registries, func(r string) bool { return within(s.Name, r) }) {
			add(s.Path, "images and artifacts from %s only, got %s", choice(o.Registries), s.Name)
		}
	}
	return all
}

// Whom names the teams for people.
func (o *Owner) Whom() string {
	if o.Path == EveryTeam {
		return "teams"
	}
	return "teams under " + o.Path
}

func choice[T ~string](all []T) string {
	texts := make([]string, len(all))
	for i, one := range all {
		texts[i] = string(one)
	}
	return strings.Join(texts, " or ")
}

// Origin is one thing that a workload's containers are made of, and the field
// that names it.
type Origin struct {
	// Name is in full and without tag and digest: "docker.io/library/nginx",
	// "files.example/shop/app.jar".
	Name string
	Path []string
}

// Origins are all that the workload's containers are made of.
func (w *Workload) Origins() (all []Origin) {
	image := func(ref string, path ...string) {
		if ref != "" {
			all = append(all, Origin{FullName(ref), path})
		}
	}
	image(w.Image, "image")
	for i := range w.Init {
		image(w.Init[i].Image, "init", strconv.Itoa(i), "image")
	}
	for i := range w.Sidecars {
		image(w.Sidecars[i].Image, "sidecars", strconv.Itoa(i), "image")
	}
	if w.PostStop != nil {
		image(w.PostStop.Image, "postStop", "image")
	}
	for _, o := range w.OneShots() {
		image(o.Image, "update", "runbook")
	}
	if a := w.Artifact; a != nil {
		_, name, _ := strings.Cut(a.URL, "://")
		name, _, _ = strings.Cut(name, "?")
		all = append(all, Origin{strings.ToLower(name[:hostEnd(name)]) + name[hostEnd(name):], []string{"artifact", "url"}})
	}
	return all
}

func hostEnd(name string) int {
	if i := strings.IndexByte(name, '/'); i >= 0 {
		return i
	}
	return len(name)
}

// FullName is an image's name with its registry and without tag and digest.
func FullName(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		ref = ref[:i]
	}
	host, rest, named := strings.Cut(ref, "/")
	switch {
	case named && isHost(host):
		host = strings.ToLower(host)
	case named:
		host, rest = dockerHub, ref
	default:
		host, rest = dockerHub, "library/"+ref
	}
	if host == "index.docker.io" {
		host = dockerHub
	}
	if host == dockerHub && !strings.Contains(rest, "/") {
		rest = "library/" + rest
	}
	return host + "/" + rest
}

const dockerHub = "docker.io"

// isHost is how Docker tells a registry from the first part of a repository.
func isHost(s string) bool { return strings.ContainsAny(s, ".:") || s == "localhost" }

// within is whether a name is of a registry, or of a part of one. A name that
// may lead elsewhere on its host is of none of its parts.
func within(name, registry string) bool {
	registry = strings.ToLower(strings.TrimSuffix(registry, "/"))
	if strings.Contains(registry, "/") && (strings.Contains(name, "..") || strings.Contains(name, "%")) {
		return false
	}
	return name == registry || strings.HasPrefix(name, registry+"/")
}
