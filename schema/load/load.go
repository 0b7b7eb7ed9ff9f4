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
	limits    Limits
	cache     *Cache
	evaluator Evaluator
	grants    schema.Grants
	sums      bool
	env       string
	// operators are the files of the repository that has the operators' part, if that
	// is another one.
	operators    fs.FS
	operatorsEnv string
}

// WithLimits bounds what a tree may cost; a field left zero keeps its default.
func WithLimits(l Limits) Option { return func(o *options) { o.limits = l } }

// WithCache reuses what the packages of earlier trees came to.
func WithCache(c *Cache) Option { return func(o *options) { o.cache = c } }

// WithEvaluator has each package evaluated elsewhere, instead of in this process.
func WithEvaluator(e Evaluator) Option { return func(o *options) { o.evaluator = e } }

// WithGrants opens privileges, which no text in the tree can: without it there are
// none.
func WithGrants(g schema.Grants) Option { return func(o *options) { o.grants = g } }

// WithSums has it be an error, too, where teams ask for more together than their
// owners' quota. Which of them stays as it was hangs on what is in force, so that a
// server judges that itself, when it accepts a commit.
func WithSums() Option { return func(o *options) { o.sums = true } }

// WithEnvironment evaluates one of the tree's environments, the folder envs/NAME:
// its folders are the teams, and it holds the operators' part. All else of the
// tree is there to be imported. "" is a tree without any.
func WithEnvironment(name string) Option { return func(o *options) { o.env = name } }

// Load evaluates a tree. The Spec shares memory with the Cache, if there is one:
// what it holds is to be read, and copied before it is changed.
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
	limits := o.limits.withDefaults()
	former, beside := o.cache.former(limits)
	t, err := readTree(fsys, limits, o.env, former)
	if err == nil && o.operators != nil {
		err = t.mount(o.operators, o.operatorsEnv, beside)
	}
	if err != nil {
		return schema.Spec{}, err
	}
	if o.cache == nil {
		o.cache = new(Cache)
	}
	t.sums = o.sums
	return o.cache.load(ctx, t, o.evaluator, rev, o.grants)
}

// evaluateAll evaluates the operators' part first, whose policy all others are held to,
// then the teams, on all processors.
func evaluateAll(t *tree, eval func(dir string, policy bool) result) []result {
	results := make([]result, len(t.packages))
	teams, policy := t.packages, false
	if len(teams) > 0 && teams[0] == t.operatorsRoot() {
		results[0] = eval(t.operatorsRoot(), false)
		policy = results[0].Policy
		teams = teams[1:]
		if results[0].Broken {
			whole := eval
			eval = func(dir string, _ bool) result {
				if dir == t.root { // of a guest, whom no policy concerns
					return whole(dir, false)
				}
				return heldBack(Package{Dir: dir, Root: t.root, Operators: t.operators}, results[0].Errors[0])
			}
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
func heldBack(p Package, cause *Error) result {
	place := cause.File
	if cause.Line > 0 {
		place += ":" + strconv.Itoa(cause.Line)
	}
	return result{Team: true, Errors: []*Error{{Team: p.team(), File: p.Dir,
		Message: "held back, since the cluster's policy cannot be read: see " + place,
		Next:    "correct " + place + " and run: bayplan validate"}}}
}

// assemble makes the Spec of the results, which are in the order of t.packages.
func assemble(t *tree, results []result, rev schema.Revision, grants schema.Grants) (schema.Spec, error) {
	spec := schema.Spec{Revision: rev}
	var errs []*Error
	some, by := false, bounds{grants: grants}
	for i := range results {
		r := &results[i]
		if t.packages[i] == t.operatorsRoot() && len(r.Errors) == 0 {
			spec.Pools, spec.Registries, spec.Owners, spec.Gates = r.Pools, r.Registries, r.Owners, r.Gates
		}
		if t.packages[i] == t.operatorsRoot() {
			by.pools, by.owners, by.ownersAt = r.Pools, r.Owners, r.OwnersAt
		}
		if len(r.Errors) == 0 {
			r.Errors = by.broken(t.team(i), r)
		}
	}
	checkWaits(t, results)
	spec.Workloads = slices.Grow(spec.Workloads, count(results))
	for i, r := range results {
		if t.operators.Mount != "" && t.packages[i] == t.operatorsRoot() {
			continue // what is wrong there is told there
		}
		root := t.packages[i] == t.root
		some = some || r.Team || !root
		sound := len(r.Errors) == 0
		errs = append(errs, r.Errors...)
		if sound && (root || !r.Team) {
			continue
		}
		one := schema.Team{Name: t.team(i), Commit: rev.Commit}
		if !sound {
			one.Commit, one.Errors = "", texts(r.Errors)
		} else {
			spec.Workloads = append(spec.Workloads, r.Workloads...)
		}
		spec.Teams = append(spec.Teams, one)
	}
	if !some {
		return schema.Spec{}, ErrEmpty
	}
	slices.SortFunc(spec.Teams, func(a, b schema.Team) int { return strings.Compare(a.Name, b.Name) })
	schema.SortWorkloads(spec.Workloads)
	if t.sums {
		errs = append(errs, by.exceeded(spec.Workloads)...)
	}
	return spec, combine(errs)
}

func count(results []result) (n int) {
	for i := range results {
		n += len(results[i].Workloads)
	}
	return n
}

func texts(errs []*Error) []string {
	list := make([]string, len(errs))
	for i, e := range errs {
		list[i] = e.Error()
	}
	return list
}
