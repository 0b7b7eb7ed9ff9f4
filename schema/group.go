package schema

import (
	"maps"
	"slices"
	"strconv"
)

// Part is another container of a slot: before the main one (Init), beside it
// (Sidecars) or after it (PostStop).
type Part struct {
	// Name is unique within the workload.
	Name string `json:"name"`
	// Image is the reference as written, Pinned the same by digest, empty until
	// the server has resolved it.
	Image   string            `json:"image"`
	Pinned  string            `json:"pinned,omitempty"`
	Command []string          `json:"command,omitempty"`
	Args    []string          `json:"args,omitempty"`
	Env     map[string]string `json:"env,omitempty"`
	User    string            `json:"user,omitempty"`
	Workdir string            `json:"workdir,omitempty"`
	// Mounts are the paths of volumes of the workload, by their names.
	Mounts map[string]string `json:"mounts,omitempty"`
	// Limit is enforced; nil is the workload's.
	Limit *Limits `json:"limit,omitempty"`
}

// PostStop is a part that runs once after all else.
type PostStop struct {
	Part
	// Timeout is how long it may take.
	Timeout Duration `json:"timeout"`
}

// Parts are all of the workload's, in the order in which they run.
func (w *Workload) Parts() []*Part {
	all := make([]*Part, 0, len(w.Init)+len(w.Sidecars)+1)
	for i := range w.Init {
		all = append(all, &w.Init[i])
	}
	for i := range w.Sidecars {
		all = append(all, &w.Sidecars[i])
	}
	if w.PostStop != nil {
		all = append(all, &w.PostStop.Part)
	}
	return all
}

// WithParts is the workload with pin's answer for the Pinned of each part. The
// workload itself stays as it is.
func (w Workload) WithParts(pin func(*Part) string) Workload {
	pinned := func(p Part) Part {
		p.Pinned = pin(&p)
		return p
	}
	w.Init, w.Sidecars = slices.Clone(w.Init), slices.Clone(w.Sidecars)
	for i := range w.Init {
		w.Init[i] = pinned(w.Init[i])
	}
	for i := range w.Sidecars {
		w.Sidecars[i] = pinned(w.Sidecars[i])
	}
	if w.PostStop != nil {
		w.PostStop = &PostStop{Part: pinned(w.PostStop.Part), Timeout: w.PostStop.Timeout}
	}
	return w
}

// Of is the part as a workload of its own, as a runtime wants to hear of it: of
// the main one it has the name, the network, the volumes that it mounts and what
// steers it from outside, and no port.
func (p *Part) Of(main *Workload) *Workload {
	w := *main
	w.Image, w.Pinned, w.Artifact, w.Java = p.Image, p.Pinned, nil, nil
	w.Command, w.Args, w.Env, w.User, w.Workdir = p.Command, p.Args, p.Env, p.User, p.Workdir
	w.Ports, w.Tmpfs, w.Health, w.ReadOnlyRoot = nil, nil, nil, false
	w.Init, w.Sidecars, w.PostStop = nil, nil, nil
	w.Volumes = map[string]Volume{}
	for name, path := range p.Mounts {
		v := main.Volumes[name]
		v.Path = path
		w.Volumes[name] = v
	}
	if p.Limit != nil {
		w.Resources.Limit = *p.Limit
	}
	return &w
}

// contents are the parts with their images as the digest counts them.
func contents(parts []Part) []Part {
	all := slices.Clone(parts)
	for i := range all {
		if all[i].Pinned != "" {
			all[i].Image, all[i].Pinned = all[i].Pinned, ""
		}
	}
	return all
}

func (p *PostStop) content() []Part {
	if p == nil {
		return nil
	}
	return contents([]Part{p.Part})
}

// group finds what relates the parts to each other and to the workload.
func (c *checker) group() {
	names := map[string]bool{}
	for i := range c.w.Init {
		c.part([]string{"init", strconv.Itoa(i)}, &c.w.Init[i], names)
	}
	for i := range c.w.Sidecars {
		c.part([]string{"sidecars", strconv.Itoa(i)}, &c.w.Sidecars[i], names)
	}
	if c.w.PostStop != nil {
		c.part([]string{"postStop"}, &c.w.PostStop.Part, names)
	}
}

// MainPart is the name by which people tell the main container from the others.
const MainPart = "main"

func (c *checker) part(path []string, p *Part, names map[string]bool) {
	at := func(more ...string) []string { return append(path[:len(path):len(path)], more...) }
	if names[p.Name] || p.Name == MainPart {
		c.add(at("name"), "name %q is taken by another container of the workload", p.Name)
	}
	names[p.Name] = true
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		if !validEnv(name) {
			c.add(at("env", name), "want a variable's name of letters, digits and _ that no digit begins")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Mounts)) {
		if _, known := c.w.Volumes[name]; !known {
			c.add(at("mounts", name), "there is no volume %q among the workload's volumes", name)
		}
	}
}

// IsGroup is whether a slot consists of more containers than one.
func (w *Workload) IsGroup() bool {
	return len(w.Init) > 0 || len(w.Sidecars) > 0 || w.PostStop != nil
}
