package status

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// PreviewPool is how the use of a pool would change, with an empty Name of the
// whole cluster. Peak is the most on the way, while old and new are side by side.
type PreviewPool struct {
	Name   string          `json:"name"`
	Before schema.Quantity `json:"before"`
	After  schema.Quantity `json:"after"`
	Peak   schema.Quantity `json:"peak"`
	// Whole is what the cluster's nodes have; of a pool it is absent, as pools
	// share nodes.
	Whole *schema.Quantity `json:"whole,omitempty"`
	Limit *schema.Quantity `json:"limit,omitempty"`
}

// PreviewPull is an image or archive that nodes would have to fetch: nothing that
// is ordered there now is made of it.
type PreviewPull struct {
	What  string   `json:"what"`
	Nodes []string `json:"nodes"`
	// From are the places that are asked, in their order.
	From []string `json:"from"`
}

// poolUse lists what changes, the cluster first and then the pools by name.
func poolUse(before *reconciler.Facts, f *reconciler.Forecast) (all []PreviewPool) {
	was, is := byPool(reconciler.Used(before)), byPool(reconciler.Used(&f.Facts))
	peak := byPool(f.Peak)
	for _, name := range slices.Sorted(maps.Keys(peak)) {
		p := PreviewPool{Name: name, Before: was[name], After: is[name], Peak: peak[name]}
		if p.Before == p.After && p.Peak == p.After {
			continue
		}
		if name == "" {
			p.Whole = whole(&f.Facts)
		}
		for i := range f.Facts.Spec.Pools {
			if x := &f.Facts.Spec.Pools[i]; x.Name == name {
				p.Limit = x.Limit
			}
		}
		all = append(all, p)
	}
	return all
}

func byPool(list []reconciler.Usage) map[string]schema.Quantity {
	all := map[string]schema.Quantity{}
	for _, u := range list {
		all[u.Pool] = u.Use
	}
	return all
}

func whole(f *reconciler.Facts) *schema.Quantity {
	var q schema.Quantity
	for i := range f.Nodes {
		a := f.Nodes[i].Node.Allocatable
		q = q.Plus(schema.Quantity{CPU: a.CPU, Memory: a.Memory})
	}
	return &q
}

// pulls are what the orders at the end are made of and those before were not,
// node by node.
func pulls(before, after *reconciler.Facts) (all []PreviewPull) {
	had, needs := parts(before), parts(after)
	on := map[string][]string{}
	for _, node := range slices.Sorted(maps.Keys(needs)) {
		for ref := range needs[node] {
			if !had[node][ref] {
				on[ref] = append(on[ref], node)
			}
		}
	}
	for _, ref := range slices.Sorted(maps.Keys(on)) {
		what, from := sources(ref, after.Spec.Registries)
		all = append(all, PreviewPull{What: what, Nodes: on[ref], From: from})
	}
	return all
}

// parts are the images and archives that each node's orders are made of.
func parts(f *reconciler.Facts) map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for i := range f.Nodes {
		mine := map[string]bool{}
		for j := range f.Nodes[i].Assignment.Orders {
			o := &f.Nodes[i].Assignment.Orders[j]
			if o.Workload == nil || o.Stop {
				continue
			}
			for image, pinned := range o.Workload.References {
				mine[cmp.Or(pinned, image)] = true
			}
			if a := o.Workload.Artifact; a != nil {
				mine[a.Ref()] = true
			}
		}
		all[f.Nodes[i].Name] = mine
	}
	return all
}

// sources are where an image or archive comes from: the mirrors of its registry,
// then that itself.
func sources(ref string, by []schema.Registry) (what string, from []string) {
	if a, ok := schema.ParseArtifactRef(ref); ok {
		url := hide("url", a.URL)
		_, rest, _ := strings.Cut(url, "://")
		host, _, _ := strings.Cut(rest, "/")
		return url, []string{host[strings.LastIndexByte(host, '@')+1:]}
	}
	host := registryOf(ref)
	for i := range by {
		if by[i].Name == host {
			from = append(from, by[i].Mirrors...)
		}
	}
	return ref, append(from, host)
}

// registryOf is the registry that an image names: what stands before the first
// slash, where that can be a host.
func registryOf(image string) string {
	host, _, found := strings.Cut(image, "/")
	if !found || !strings.ContainsAny(host, ".:") && host != "localhost" {
		return "docker.io"
	}
	return host
}
