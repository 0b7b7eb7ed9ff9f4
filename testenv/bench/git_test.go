package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler/source"
)

// gitRoot names the folder of repositories that this program, started anew,
// serves: git's http-backend behind a web server, in a process of its own so that
// what it costs is not counted.
const gitRoot = "BAYPLAN_BENCH_GIT"

func serveGit(dir string) {
	git, err := exec.LookPath("git")
	if err != nil {
		panic(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	var asked atomic.Int64
	backend := &cgi.Handler{Path: git, Args: []string{"http-backend"}, Dir: dir, Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + dir}}
	fmt.Println(l.Addr())
	panic(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/asked" {
			fmt.Fprint(w, asked.Load())
			return
		}
		if strings.HasSuffix(r.URL.Path, "/info/refs") && r.URL.Query().Get("service") == "git-upload-pack" {
			defer asked.Add(1)
		}
		backend.ServeHTTP(w, r)
	})))
}

// host is a running server with one repository and a clone of it.
type host struct {
	b          *testing.B
	dir, clone string
	url        string
}

func newHost(b *testing.B, fill func(stream io.Writer)) *host {
	b.Helper()
	h := &host{b: b, dir: b.TempDir()}
	h.clone = filepath.Join(b.TempDir(), "clone")
	repo := filepath.Join(h.dir, "repo.git")
	h.git("/", "init", "-q", "--bare", "-b", "main", repo)
	h.git(repo, "config", "http.receivepack", "true")
	cmd := exec.Command("git", "-C", repo, "fast-import", "--quiet")
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	out := bufio.NewWriter(stdin)
	fill(out)
	if err := errors.Join(out.Flush(), stdin.Close(), cmd.Wait()); err != nil {
		b.Fatal(err)
	}
	h.git(repo, "repack", "-q", "-a", "-d", "-f")
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), gitRoot+"="+h.dir)
	said, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	address, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	h.url = "http://" + strings.TrimSpace(address) + "/repo.git"
	h.git("/", "clone", "-q", h.url, h.clone)
	return h
}

func (h *host) git(dir string, args ...string) {
	h.b.Helper()
	cmd := exec.CommandContext(life, "git", append([]string{"-C", dir, "-c", "user.name=bench", "-c", "user.email=bench@example.invalid"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	if out, err := cmd.CombinedOutput(); err != nil {
		h.b.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// push commits one file and pushes it.
func (h *host) push(name, text string) {
	h.b.Helper()
	file := filepath.Join(h.clone, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		h.b.Fatal(err)
	}
	h.git(h.clone, "add", name)
	h.git(h.clone, "commit", "-q", "-m", "bench")
	h.git(h.clone, "push", "-q")
}

// asked is how often the server was asked for its refs.
func (h *host) asked() int {
	h.b.Helper()
	res, err := http.Get(strings.TrimSuffix(h.url, "repo.git") + "asked")
	if err != nil {
		h.b.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	n, aerr := strconv.Atoi(string(text))
	if err := errors.Join(err, aerr); err != nil {
		h.b.Fatal(err)
	}
	return n
}

// follow opens a mirror and yields each commit as it comes.
func (h *host) follow(poll time.Duration) (s *source.Source, tips <-chan source.Tip, stop func()) {
	h.b.Helper()
	s, err := source.Open(source.Config{URL: h.url, Dir: h.b.TempDir(), Poll: poll})
	if err != nil {
		h.b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(life)
	came, done := make(chan source.Tip, 100), make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Watch(ctx, func(u source.Update) { // it ends with ctx
			if u.Tip != nil {
				came <- *u.Tip
			}
		})
	}()
	return s, came, func() {
		cancel()
		<-done
		_ = s.Close()
	}
}

// aged is a history of 1,000 commits over 10,000 files.
func aged(w io.Writer) {
	const commits, files = 1000, 10_000
	for c := range commits {
		fmt.Fprintf(w, "commit refs/heads/main\ncommitter Ann <ann@example.org> %d +0000\ndata 6\nchange\n", 1_700_000_000+c)
		for i := range files / commits {
			for _, f := range []int{c*files/commits + i, (c*7919 + i*104729) % max(1, c*files/commits)} {
				text := fmt.Sprintf("package team\n\nworkloads: w%d: {\n\tkind:     \"service\"\n\timage:    \"registry.example/team/w%d:1.%d\"\n\treplicas: 3\n}\n", f, f, c)
				fmt.Fprintf(w, "M 644 inline team%d/w%d.cue\ndata %d\n%s\n", f%500, f, len(text), text)
			}
		}
	}
}

// BenchmarkGit is the repository's way here over HTTP, beside the git binary's.
func BenchmarkGit(b *testing.B) {
	const times = 5
	h := newHost(b, aged)
	var ours, gits, oneOurs, oneGits series
	bare := filepath.Join(b.TempDir(), "mirror.git")
	for i := range times {
		began := time.Now()
		_, tips, stop := h.follow(time.Hour)
		<-tips
		ours = append(ours, time.Since(began))
		stop()
		began = time.Now()
		h.git("/", "clone", "-q", "--mirror", h.url, bare+strconv.Itoa(i))
		gits = append(gits, time.Since(began))
	}
	s, tips, stop := h.follow(time.Hour)
	<-tips
	for i := range 2 * times {
		h.push("team1/w1.cue", fmt.Sprint("package team\n// ", i, "\n"))
		began := time.Now()
		s.Poke()
		<-tips
		oneOurs = append(oneOurs, time.Since(began))
		began = time.Now()
		h.git(bare+"0", "fetch", "-q")
		oneGits = append(oneGits, time.Since(began))
	}
	stop()
	ratio := func(a, b series) float64 { return float64(a.median()) / float64(b.median()) }
	clone, one := ratio(ours, gits), ratio(oneOurs, oneGits)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(clone, "x-clone")
	b.ReportMetric(one, "x-fetch")
	results.add(row{rank: 30, what: "first clone over HTTP, 10,000 files and 1,000 commits, against git clone --mirror", limit: "<= 2.5x",
		measured: fmt.Sprintf("%.2fx: %s, git %s", clone, ours, gits), within: clone <= 2.5})
	results.add(row{rank: 31, what: "fetch of one commit to its files, against git fetch", limit: "< 1.0x",
		measured: fmt.Sprintf("%.2fx: %s, git %s", one, oneOurs, oneGits), within: one < 1})
	b.Run("Poll", func(b *testing.B) { poll(b, h) })
}

// poll is the processor time of a look that finds nothing new.
func poll(b *testing.B, h *host) {
	const limit, looks = 2 * time.Millisecond, 300
	_, tips, stop := h.follow(5 * time.Millisecond)
	defer stop()
	<-tips
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	before, used := h.asked(), processor(b)
	now := before
	for now-before < looks && life.Err() == nil {
		<-tick.C
		now = h.asked()
	}
	each := (processor(b) - used) / time.Duration(max(1, now-before))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(each.Microseconds()), "us-poll")
	results.add(row{rank: 32, what: "a poll over HTTP that finds nothing new, processor time", limit: "<= " + ms(limit),
		measured: fmt.Sprintf("%.2fms (mean of %d)", float64(each.Microseconds())/1000, now-before), within: each <= limit})
}

// processor is the time that this process has had.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
