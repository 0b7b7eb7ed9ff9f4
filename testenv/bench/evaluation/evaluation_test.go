package evaluation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler/evaluate"
	"github.com/bayplan/bayplan/reconciler/source"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
	"github.com/bayplan/bayplan/testenv/monorepo"
)

// repo is a repository with a work tree, and all of a server that stands between
// its ref and a Spec.
type repo struct {
	b       *testing.B
	dir     string
	workers *evaluate.Pool
	cache   *load.Cache
	store   string
	tips    chan source.Tip
	version int
}

// open makes the repository and waits for its first commit.
func open(b *testing.B) *repo {
	b.Helper()
	binary, err := filepath.Abs("../../../bin/bayplan")
	if err == nil {
		_, err = os.Stat(binary)
	}
	if err != nil {
		b.Fatalf("%v; run: make build", err)
	}
	r := &repo{b: b, dir: filepath.Join(b.TempDir(), "repo"), store: b.TempDir(), tips: make(chan source.Tip, 1), version: 1}
	if err := monorepo.Write(r.dir, monorepo.Large); err != nil {
		b.Fatal(err)
	}
	r.git("init", "-q", "-b", "main")
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "first")
	debug.SetGCPercent(100)
	r.workers = evaluate.New(evaluate.Config{Command: []string{binary, "worker"}})
	b.Cleanup(r.workers.Close)
	r.fresh()
	r.watch()
	return r
}

// fresh is as after a restart: nothing is in memory.
func (r *repo) fresh() {
	var err error
	if r.cache, err = load.OpenCache(r.store); err != nil {
		r.b.Fatal(err)
	}
}

func (r *repo) watch() {
	s, err := source.Open(source.Config{URL: r.dir, Dir: r.b.TempDir()})
	if err != nil {
		r.b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Watch(ctx, func(u source.Update) {
			if u.Tip != nil {
				r.tips <- *u.Tip
			}
		})
	}()
	r.b.Cleanup(func() {
		cancel()
		<-ended
		if err := s.Close(); err != nil {
			r.b.Error(err)
		}
	})
}

func (r *repo) git(args ...string) string {
	r.b.Helper()
	cmd := exec.Command("git", append([]string{"-C", r.dir, "-c", "user.name=bench", "-c", "user.email=bench@example.invalid", "-c", "gc.auto=0"}, args...)...)
	if args[0] == "init" {
		cmd.Args = append([]string{"git"}, append(args, r.dir)...)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.b.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// prepare makes a commit that changes one file, which no branch names yet.
func (r *repo) prepare(team, i int) (commit string) {
	r.b.Helper()
	r.version++
	return r.write(monorepo.File(team, i), monorepo.Workload(team, i, r.version))
}

// write makes a commit that changes one file to be text.
func (r *repo) write(file, text string) (commit string) {
	r.b.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, file), []byte(text), 0o644); err != nil {
		r.b.Fatal(err)
	}
	r.git("add", file)
	return r.git("commit-tree", "-p", "HEAD", "-m", "one file", r.git("write-tree"))
}

// move moves the branch as Git does: the new ref in one rename.
func (r *repo) move(commit string) time.Time {
	r.b.Helper()
	ref := filepath.Join(r.dir, ".git/refs/heads/main")
	if err := os.WriteFile(ref+".lock", []byte(commit+"\n"), 0o644); err != nil {
		r.b.Fatal(err)
	}
	began := time.Now()
	if err := os.Rename(ref+".lock", ref); err != nil {
		r.b.Fatal(err)
	}
	return began
}

// tip is the commit that the source tells of.
func (r *repo) tip() source.Tip {
	r.b.Helper()
	select {
	case t := <-r.tips:
		return t
	case <-time.After(2 * time.Minute):
		r.b.Fatal("no commit was seen")
		return source.Tip{}
	}
}

func (r *repo) load(t source.Tip) schema.Spec {
	r.b.Helper()
	spec, err := load.LoadContext(context.Background(), t.Files, t.Revision, load.WithCache(r.cache), load.WithEvaluator(r.workers.Evaluate))
	if err != nil || len(spec.Workloads) != monorepo.Large.Teams*monorepo.Large.Workloads {
		r.b.Fatalf("%d workloads, %v", len(spec.Workloads), err)
	}
	return spec
}

// processor is the time that this process and its ended children took, and that of
// the workers that live.
func processor() time.Duration {
	var self, ended syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &self)
	_ = syscall.Getrusage(syscall.RUSAGE_CHILDREN, &ended)
	sum := time.Duration(self.Utime.Nano() + self.Stime.Nano() + ended.Utime.Nano() + ended.Stime.Nano())
	for _, pid := range children() {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, rest, _ := strings.Cut(string(data), ") ")
		if f := strings.Fields(rest); len(f) > 12 {
			user, _ := strconv.Atoi(f[11])
			kernel, _ := strconv.Atoi(f[12])
			sum += time.Duration(user+kernel) * 10 * time.Millisecond // USER_HZ is 100 everywhere
		}
	}
	return sum
}

func children() (pids []int) {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, l := range lists {
		data, _ := os.ReadFile(l)
		for _, f := range strings.Fields(string(data)) {
			pid, _ := strconv.Atoi(f)
			pids = append(pids, pid)
		}
	}
	return pids
}

// resident is the memory of this process and its workers, in MiB.
func resident() (mib int) {
	for _, pid := range append(children(), os.Getpid()) {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, rest, _ := strings.Cut(string(data), "VmRSS:")
		if f := strings.Fields(rest); len(f) > 0 {
			kib, _ := strconv.Atoi(f[0])
			mib += kib >> 10
		}
	}
	return mib
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

func ms(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }

// span is a series in words.
func span(all []time.Duration) string {
	return fmt.Sprintf("%s (%s to %s, %d times)", ms(median(all)), ms(slices.Min(all)), ms(slices.Max(all)), len(all))
}

// BenchmarkRepository goes the whole way once: cold, after a restart, commit by
// commit.
func BenchmarkRepository(b *testing.B) {
	r := open(b)
	first := r.tip()
	cold := r.cold(first)
	r.beside(first)
	r.restart(first)
	r.unchanged(first)
	r.oneFile()
	r.commits()
	r.policy(cold)
	b.ReportMetric(0, "ns/op")
}

// policy is what one costs that looks at each workload and adds to it: when it is
// new, when it changes, and when a team does that is held to it.
func (r *repo) policy(cold time.Duration) {
	rule := func(most int) string {
		return fmt.Sprintf("package ops\n\ncluster: {pools: {}, policy: {image: =~\"^registry[.]example/\", replicas?: <=%d, network?: \"bridge\", labels: site: *\"a\" | \"b\"}}\n", most)
	}
	each := func(commit string) time.Duration {
		before := processor()
		r.move(commit)
		r.load(r.tip())
		return processor() - before
	}
	teams := time.Duration(monorepo.Large.Teams)
	first := each(r.write("cluster.cue", rule(10)))
	add("a package when the policy is new, beside one without it, cold", "-", fmt.Sprintf("%s, %s", ms(first/teams), ms(cold)), true)
	changed := each(r.write("cluster.cue", rule(9)))
	add("a package when the policy changed: judged again, not evaluated", "<= cold", ms(changed/teams), changed/teams <= cold)
	one := each(r.prepare(3, 3))
	add("one file changed under the policy: processor time", "<= 150ms", ms(one), one <= 150*time.Millisecond)
}

// cold evaluates all; the answer is the processor time.
func (r *repo) cold(t source.Tip) time.Duration {
	began, before := time.Now(), processor()
	r.load(t)
	took, cpu := time.Since(began), processor()-before
	each := cpu / time.Duration(monorepo.Large.Teams)
	// Two processors share the work of the workers, and nothing of it waits.
	add("all 10,000 workloads evaluated, as it would be on two processors", "<= 12s",
		fmt.Sprintf("%s (%s of processor time, %s by the clock, %s a package)", ms(cpu/2), ms(cpu), ms(took), ms(each)), cpu/2 <= 12*time.Second)
	now := resident()
	add("memory of the evaluating part and its workers, then", "<= 500 MiB", fmt.Sprintf("%d MiB", now), now <= 500)
	return each
}

// vetted is how many packages cue vet is given at once. It has one context for all,
// and is at its best with about a hundred.
const vetted = 100

// beside is what a package takes cold and what it takes `cue vet -c`, by turns: the
// machine's other load slows both.
func (r *repo) beside(t source.Tip) {
	cue, err := filepath.Abs("../../../bin/cue")
	if err == nil {
		_, err = os.Stat(cue)
	}
	if err != nil {
		r.b.Logf("not measured beside cue vet: %v; run: make bench", err)
		return
	}
	var ours, theirs []time.Duration
	for range 3 {
		theirs = append(theirs, r.vet(cue))
		r.store = r.b.TempDir()
		r.fresh()
		before := processor()
		r.load(t)
		ours = append(ours, (processor()-before)/time.Duration(monorepo.Large.Teams))
		theirs = append(theirs, r.vet(cue))
	}
	add("a package, beside cue vet -c of the same version", "<= cue's", fmt.Sprintf("%s, cue %s", span(ours), span(theirs)), median(ours) <= median(theirs))
}

// vet is what a package takes `cue vet -c`.
func (r *repo) vet(cue string) time.Duration {
	args := []string{"vet", "-c"}
	for t := range vetted {
		args = append(args, "./"+monorepo.Team(t))
	}
	cmd := exec.Command(cue, args...)
	cmd.Dir = r.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		r.b.Fatalf("cue vet: %v\n%s", err, out)
	}
	return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()) / vetted
}

// restart evaluates the same tree with what is on disk alone.
func (r *repo) restart(t source.Tip) {
	r.fresh()
	began, before := time.Now(), processor()
	r.load(t)
	add("the same after a restart, from disk", "-", fmt.Sprintf("%s (%s of processor time)", ms(time.Since(began)), ms(processor()-before)), true)
}

func (r *repo) unchanged(t source.Tip) {
	var all []time.Duration
	for range 21 {
		runtime.GC()
		before := processor()
		r.load(t)
		all = append(all, processor()-before)
	}
	add("nothing changed: processor time from tree to Spec", "<= 5ms", span(all), median(all) <= 5*time.Millisecond)
}

// oneFile is one commit after the other, each of one file.
func (r *repo) oneFile() {
	var clock, cpu []time.Duration
	for i := range 21 {
		commit := r.prepare(17*i%monorepo.Large.Teams, i%monorepo.Large.Workloads)
		before := processor()
		began := r.move(commit)
		t := r.tip()
		r.load(t)
		clock, cpu = append(clock, time.Since(began)), append(cpu, processor()-before)
		if t.Revision.Commit != commit {
			r.b.Fatalf("commit %s was told of, not %s", t.Revision.Commit, commit)
		}
	}
	add("one file changed: from the ref's change to the Spec, processor time", "<= 150ms", span(cpu), median(cpu) <= 150*time.Millisecond)
	add("one file changed: the same by the clock", "<= 150ms", span(clock), median(clock) <= 150*time.Millisecond)
}

// commits shows that memory does not grow with them.
func (r *repo) commits() {
	const many = 1000
	var after100, after int
	for i := range many {
		r.move(r.prepare(7*i%monorepo.Large.Teams, i%monorepo.Large.Workloads))
		r.load(r.tip())
		if i == many/10 {
			after100 = settled()
		}
	}
	after = settled()
	add("memory after 1,000 further commits, beside that after 100", "<= 500 MiB, flat", fmt.Sprintf("%d MiB, %d MiB", after, after100),
		after <= 500 && after <= after100+after100/10)
}

// settled is the memory once what is garbage has been given back.
func settled() int {
	debug.FreeOSMemory()
	return resident()
}

// BenchmarkPoll is what a look costs that finds nothing new, over HTTP: this
// process's part of it includes the little that its web server does.
func BenchmarkPoll(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "repo")
	if err := monorepo.Write(dir, monorepo.Size{Teams: 2, Workloads: 2}); err != nil {
		b.Fatal(err)
	}
	r := &repo{b: b, dir: dir}
	r.git("init", "-q", "-b", "main")
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "first")
	var looks atomic.Int64
	enough := make(chan struct{})
	const many = 200
	backend := &cgi.Handler{Path: gitBackend(b), Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"}}
	var began atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/info/refs") {
			switch looks.Add(1) {
			case 20:
				began.Store(int64(own()))
			case 20 + many:
				close(enough)
			}
		}
		backend.ServeHTTP(w, req)
	}))
	defer server.Close()
	s, err := source.Open(source.Config{URL: server.URL + "/.git", Dir: b.TempDir(), Poll: 5 * time.Millisecond})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Watch(ctx, func(source.Update) {}) }()
	select {
	case <-enough:
	case <-time.After(2 * time.Minute):
		b.Fatalf("%d looks in two minutes", looks.Load())
	}
	each := (own() - time.Duration(began.Load())) / many
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		b.Error(err)
	}
	if err := s.Close(); err != nil {
		b.Error(err)
	}
	add("a poll that finds nothing new, over HTTP: processor time, the web server's part included", "<= 2ms", ms(each), each <= 2*time.Millisecond)
	b.ReportMetric(0, "ns/op")
}

// own is the processor time of this process alone.
func own() time.Duration {
	var self syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &self)
	return time.Duration(self.Utime.Nano() + self.Stime.Nano())
}

func gitBackend(b *testing.B) string {
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		b.Skip("no git")
	}
	return filepath.Join(strings.TrimSpace(string(out)), "git-http-backend")
}
