package load

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// squares is a package that takes some 50 ms with n = 100 and a second
// with 200.
func squares(n int) *fstest.MapFile {
	return &fstest.MapFile{Data: fmt.Appendf(nil, `import "list"
_all: list.Range(0, %d, 1)
_pairs: [for a in _all for b in _all {first: a, second: b}]
workloads: web: {kind: "service", image: "r/web:1", labels: pairs: "\(len(_pairs))"}
`, n)}
}

func cheap() *fstest.MapFile { return &fstest.MapFile{Data: []byte(service)} }

// settle waits for what was left to itself, so that no test disturbs another.
func (p *patience) settle() {
	for _, a := range p.abandoned {
		<-a.done
	}
}

// costs is how long a tree takes on this machine, as busy as it is just now.
func costs(t *testing.T, files fstest.MapFS) time.Duration {
	t.Helper()
	began := time.Now()
	if _, err := Load(files, testRevision); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

// I13, I27: a package that takes too long keeps its own team from the commit
// and no other; its result, once there, counts from the next tree on.
func TestLoad_CostlyPackageHoldsNobodyElse(t *testing.T) {
	limit := costs(t, fstest.MapFS{"hog/a.cue": squares(60)})
	files := fstest.MapFS{"hog/a.cue": squares(130), "shop/a.cue": cheap()}
	cache := new(Cache)
	limits := WithLimits(Limits{PackageTime: limit})
	spec, err := Load(files, testRevision, limits, WithCache(cache))
	if spec.Workload("shop/web") == nil || spec.Workload("hog/web") != nil {
		t.Errorf("got %+v", spec.Workloads)
	}
	if err == nil || !strings.Contains(err.Error(), "hog: evaluating the folder took longer than "+limit.String()) {
		t.Fatalf("got %v", err)
	}
	cache.patience.settle()
	if spec, err := Load(files, testRevision, limits, WithCache(cache)); err != nil || spec.Workload("hog/web") == nil {
		t.Errorf("once it was through: %v, %+v", err, spec.Workloads)
	}
}

// The same text is not evaluated a second time while the first is under way.
func TestLoad_CostlyPackageIsBegunOnce(t *testing.T) {
	cache := new(Cache)
	defer func() { cache.patience.settle() }()
	limits := WithLimits(Limits{PackageTime: 20 * time.Millisecond})
	var first *attempt
	for i := range 5 {
		files := fstest.MapFS{"hog/a.cue": squares(120), fmt.Sprintf("shop%d/a.cue", i): cheap()}
		if _, err := Load(files, testRevision, limits, WithCache(cache)); i == 0 && err == nil {
			t.Fatal("in time?")
		}
		late := cache.entries["hog"].late
		if first == nil {
			first = late
		}
		if late != nil && late != first {
			t.Fatalf("begun again with tree %d", i)
		}
	}
}

func TestLoad_AbandonedPackagesAreBounded(t *testing.T) {
	files := fstest.MapFS{}
	for i := range maxAbandoned + 2*runtime.GOMAXPROCS(0) {
		files[fmt.Sprintf("hog%d/a.cue", i)] = squares(60)
	}
	cache := new(Cache)
	_, err := Load(files, testRevision, WithLimits(Limits{PackageTime: time.Microsecond}), WithCache(cache))
	defer cache.patience.settle()
	if n := len(cache.patience.abandoned); n >= maxAbandoned+runtime.GOMAXPROCS(0) {
		t.Errorf("%d are left to themselves", n)
	}
	if err == nil || !strings.Contains(err.Error(), "not evaluated, since") {
		t.Errorf("got %v", err)
	}
}

func TestLoadContext_EndsAtOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	began := time.Now()
	spec, err := LoadContext(ctx, fstest.MapFS{"hog/a.cue": squares(200)}, testRevision)
	if !errors.Is(err, context.DeadlineExceeded) || len(spec.Teams) > 0 {
		t.Errorf("got %+v, %v", spec, err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %s", took)
	}
}

// What nobody waits for any more is bounded too, and what was through by then is
// remembered.
func TestLoadContext_OvertakenTreesAreBounded(t *testing.T) {
	cache := new(Cache)
	defer cache.patience.drain()
	for i := range 3 * underWay() {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		files := fstest.MapFS{"hog/a.cue": squares(150 + i), "shop/a.cue": cheap()}
		if _, err := LoadContext(ctx, files, testRevision, WithCache(cache)); err == nil {
			t.Error("in time?")
		}
		cancel()
		if n := len(cache.patience.under); n > underWay() {
			t.Fatalf("%d are under way", n)
		}
	}
	spec, err := Load(fstest.MapFS{"shop/a.cue": cheap()}, testRevision, WithCache(cache))
	if err != nil || spec.Workload("shop/web") == nil {
		t.Errorf("the newest waits for those: %v, %+v", err, spec.Workloads)
	}
}

// drain returns once nothing is under way.
func (p *patience) drain() {
	for range underWay() {
		p.enter(context.Background())
	}
	for range underWay() {
		p.leave()
	}
}
