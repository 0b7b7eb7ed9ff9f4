package load

import (
	"context"
	"io/fs"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/bayplan/bayplan/schema"
)

// Option changes how Load works.
type Option func(*options)

type options struct {
	limits Limits
	cache  *Cache
}

// WithLimits bounds what a tree may cost; a field left zero keeps its default.
func WithLimits(l Limits) Option { return func(o *options) { o.limits = l } }

// WithCache reuses what the packages of earlier trees came to.
func WithCache(c *Cache) Option { return func(o *options) { o.cache = c } }

// Load evaluates a tree.
//
// With a nil error the Spec is all that the tree asks for. With errors that name
// places ([Errors]), the Spec holds the teams that are sound, whole, and lists
// the others in Teams with their Errors, no Commit and no workloads: what they
// asked for before stays in force. With any other error, [ErrEmpty] among them,
// the tree says nothing at all and the Spec is zero (I7, I13).
func Load(fsys fs.FS, rev schema.Revision, opts ...Option) (schema.Spec, error) {
	return LoadContext(context.Background(), fsys, rev, opts...)
}

// LoadContext is Load that ends with ctx, whose error it then returns. What is
// being evaluated meanwhile cannot be interrupted and goes on, heard by nobody.
func LoadContext(ctx context.Context, fsys fs.FS, rev schema.Revision, opts ...Option) (schema.Spec, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	t, err := readTree(fsys, o.limits.withDefaults())
	if err != nil {
		return schema.Spec{}, err
	}
	results := o.cache.evaluateAll(ctx, t)
	if ctx.Err() != nil {
		return schema.Spec{}, ctx.Err()
	}
	return assemble(t, results, rev)
}

// evaluateAll evaluates the root first, whose policy all others are held to,
// then the teams, on all processors.
func evaluateAll(t *tree, eval func(dir string, policy bool) result) []result {
	results := make([]result, len(t.packages))
	teams, policy := t.packages, false
	if len(teams) > 0 && teams[0] == "." {
		results[0] = eval(".", false)
		policy = results[0].policy
		teams = teams[1:]
		if results[0].broken {
			eval = func(dir string, _ bool) result { return heldBack(dir, results[0].errs[0]) }
		}
	}
	offset := len(results) - len(teams)
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(teams)) {
		wait.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(teams); i = next.Add(1) - 1 {
				results[offset+int(i)] = eval(teams[i], policy)
			}
		})
	}
	wait.Wait()
	return results
}

// heldBack is the result of a team whose policy cannot be read.
func heldBack(dir string, cause *Error) result {
	place := cause.File
	if cause.Line > 0 {
		place += ":" + strconv.Itoa(cause.Line)
	}
	return result{team: true, errs: []*Error{{Team: dir, File: dir,
		Message: "held back, since the cluster's policy cannot be read: see " + place,
		Next:    "correct " + place + " and run: bayplan validate"}}}
}

// assemble makes the Spec of the results, which are in the order of t.packages.
func assemble(t *tree, results []result, rev schema.Revision) (schema.Spec, error) {
	spec := schema.Spec{Revision: rev}
	var errs []*Error
	some := false
	for i := range results {
		r := &results[i]
		if t.packages[i] == "." && len(r.errs) == 0 {
			spec.Pools, spec.Registries = r.pools, r.registries
		}
		r.errs = append(slices.Clip(r.errs), r.strangers(team(t.packages[i]), spec.Pools)...)
		r.errs = append(slices.Clip(r.errs), r.beyond(team(t.packages[i]), spec.Pools)...)
	}
	checkWaits(t, results)
	for i, r := range results {
		root := t.packages[i] == "."
		some = some || r.team || !root
		sound := len(r.errs) == 0
		errs = append(errs, r.errs...)
		if sound && (root || !r.team) {
			continue
		}
		one := schema.Team{Name: team(t.packages[i]), Commit: rev.Commit}
		if !sound {
			one.Commit, one.Errors = "", texts(r.errs)
		} else {
			spec.Workloads = append(spec.Workloads, r.workloads...)
		}
		spec.Teams = append(spec.Teams, one)
	}
	if !some {
		return schema.Spec{}, ErrEmpty
	}
	slices.SortFunc(spec.Teams, func(a, b schema.Team) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(spec.Workloads, func(a, b schema.Workload) int { return strings.Compare(a.Name, b.Name) })
	return spec, combine(errs)
}

func texts(errs []*Error) []string {
	list := make([]string, len(errs))
	for i, e := range errs {
		list[i] = e.Error()
	}
	return list
}
