package e2e

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native/cgroup"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/testenv/image"
)

// menace is the program of testenv/e2e/menace, built once.
var menace = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "bayplan-menace")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "menace")
	build := exec.Command("go", "build", "-o", path, "github.com/bayplan/bayplan/testenv/e2e/menace")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, errors.New(string(out))
	}
	return os.ReadFile(path)
})

// withFiles puts programs into an image.
func withFiles(t *testing.T, img v1.Image, files map[string][]byte) v1.Image {
	t.Helper()
	for name, content := range files {
		img = withEntry(t, img, &tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}, content)
	}
	return img
}

// withEntry puts a layer of one entry over an image.
func withEntry(t *testing.T, img v1.Image, h *tar.Header, content []byte) v1.Image {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	if err := w.WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	w.Write(content)
	w.Close()
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(out.Bytes())), nil })
	if err == nil {
		img, err = mutate.AppendLayers(img, layer)
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// Programs that do as they should not end with a reason, or are kept within
// their bounds; nothing of them is left, and the one beside them never notices.
func TestE2E_BadPrograms(t *testing.T) {
	t.Parallel()
	s := buildOn(t, builtIn{})
	program, err := menace()
	if err != nil {
		t.Fatal(err)
	}
	s.registry.Push(t, "test/menace:1", withFiles(t, image.Program(t, "menace"), map[string][]byte{"menace": program, "garbage": []byte("no program\n")}))
	s.up(1)
	s.put("shop/web", sleeper+"\treplicas: 2\n")
	s.put("shop/victim", sleeper)
	s.wantOutcome(s.commit("what runs well"), reconciler.Applied)
	web := s.of("shop/web")
	for _, bad := range []struct {
		name string
		test func(*site)
	}{
		{"user that the image does not know", refused("\tuser: \"nobody-here\"\n", "start-failed", "nobody-here")},
		{"group that the image does not know", refused("\tuser: \"app:nobody-here\"\n", "start-failed", "nobody-here")},
		{"groups without end", spoilt("groups", &tar.Header{Name: "etc/group", Typeflag: tar.TypeReg}, crowd(100_000), "it is in 100000 groups")},
		{"line of users without end", spoilt("passwd", &tar.Header{Name: "etc/passwd", Typeflag: tar.TypeReg}, bytes.Repeat([]byte("x"), 9<<20), "/etc/passwd or /etc/group is longer than")},
		{"link where /proc is to be", spoilt("proc", &tar.Header{Name: "proc", Linkname: "/tmp", Typeflag: tar.TypeSymlink}, nil, "where the folder /proc is to be")},
		{"file where /dev is to be", spoilt("dev", &tar.Header{Name: "dev", Typeflag: tar.TypeReg}, nil, "where the folder /dev is to be")},
		{"entrypoint that is no program", refused("\tcommand: [\"/garbage\"]\n", "command-not-found", "/garbage")},
		{"entrypoint that may not be run", refused("\tcommand: [\"/etc/passwd\"]\n", "command-not-found", "it may not be executed")},
		{"program that ignores SIGTERM", deaf},
		{"program that floods its log", floods},
		{"program that forks without end", forks},
		{"program that leaves zombies", zombies},
	} {
		t.Run(bad.name, func(t *testing.T) {
			sub := s.in(t)
			bad.test(sub)
			wantSame(t, "shop/web beside it", web, sub.of("shop/web"))
			sub.clear()
			wantGroups(sub, 3)
		})
	}
}

// wantGroups wants so many containers' control groups on the node, in every
// hierarchy.
func wantGroups(s *site, want int) {
	s.t.Helper()
	for _, f := range folders(s.dev) {
		all, err := cgroup.List(filepath.Dir(f.cfg.Cgroup))
		if err != nil || len(all) != want {
			s.t.Errorf("control groups %v, %v; want %d", all, err, want)
		}
		return
	}
}

// refused is a workload whose start is refused: the commit fails and says why.
func refused(fields, code, why string) func(*site) {
	return func(s *site) {
		s.put("shop/bad", strings.ReplaceAll(fast(sleeper), "IMAGE", s.menace())+fields)
		commit := s.commit("it cannot start")
		s.wantProblem(code, []string{"shop/bad.0 on n1", why}, "")
		s.wantReason(commit, reconciler.Failed, "shop/bad.0", why)
	}
}

// spoilt is an image with a file that no container can start over; the image is
// blamed, and not the node.
func spoilt(tag string, file *tar.Header, content []byte, why string) func(*site) {
	return func(s *site) {
		file.Mode, file.Size = 0o644, int64(len(content))
		s.registry.Push(s.t, "test/spoilt:"+tag, withEntry(s.t, image.Program(s.t, tag), file, content))
		s.put("shop/bad", strings.ReplaceAll(fast(sleeper), "IMAGE", s.registry.Addr()+"/test/spoilt:"+tag)+"\tuser: \"app\"\n")
		commit := s.commit("it cannot start")
		s.wantProblem("start-failed", []string{"shop/bad.0 on n1", "it could not be started", why}, "")
		s.wantReason(commit, reconciler.Failed, "shop/bad.0", why)
	}
}

// crowd is a table of groups, of so many that have the user app.
func crowd(n int) []byte {
	all := []byte("app:x:1000:\n")
	for i := range n {
		all = fmt.Appendf(all, "g%d:x:%d:app\n", i, 2000+i)
	}
	return all
}

// menace is the name of the image with the program.
func (s *site) menace() string { return s.registry.Addr() + "/test/menace:1" }

// misbehaves deploys it and returns its folder.
func (s *site) misbehaves(how, fields string) folder {
	s.t.Helper()
	text := strings.ReplaceAll(sleeper, "IMAGE", s.menace())
	text = strings.Replace(text, `args: ["sleep"]`, `command: ["/menace", "`+how+`"]`, 1)
	s.put("shop/bad", text+fields)
	s.wantOutcome(s.commit(how), reconciler.Applied)
	return s.folderOf("shop/bad.0")
}

func (s *site) folderOf(slot string) folder {
	s.t.Helper()
	for _, f := range folders(s.dev) {
		if f.cfg.Slot == slot {
			return f
		}
	}
	s.t.Fatalf("no folder of %s", slot)
	return folder{}
}

// deaf is ended once its grace is over, and not before.
func deaf(s *site) {
	s.put("shop/bad", strings.Replace(strings.Replace(sleeper, `"sleep"`, `"ignore", "echo", "deaf", "sleep"`, 1), `"3s"`, `"2s"`, 1))
	s.wantOutcome(s.commit("it ignores signals"), reconciler.Applied)
	f := s.folderOf("shop/bad.0")
	s.eventually("the program", func() bool { out, _ := s.try("bayplan logs shop/bad"); return strings.Contains(out, "deaf") })
	began := time.Now()
	s.put("shop/bad", sleeper)
	s.commit("one that does not")
	s.eventually("end of it", func() bool { _, err := os.Stat(f.path); return err != nil })
	if took := time.Since(began); took < 2*time.Second {
		s.t.Errorf("it had %s, and its grace is 2s", took)
	}
}

// floods keeps within the files of its log, which can be read all the while.
func floods(s *site) {
	f := s.misbehaves("flood", "")
	const most = agent.LogFiles * agent.LogFileSize
	newest := func() (all int64, name string) {
		entries, _ := os.ReadDir(filepath.Join(f.path, "log"))
		for _, e := range entries {
			if info, err := e.Info(); err == nil {
				all, name = all+info.Size(), e.Name()
			}
		}
		return all, name
	}
	s.eventually("logs that were thrown away", func() bool {
		size, name := newest()
		if size > most+1<<20 {
			s.t.Fatalf("%d bytes of log, and %d is the most", size, most)
		}
		n, _ := strconv.Atoi(strings.TrimSuffix(name, ".log"))
		return n > 2*agent.LogFiles
	})
	wantText(s.t, "logs", s.shell("bayplan logs shop/bad | tail -n 3"), "all work and no play")
}

// forks has as many processes as its limit is and not one more.
func forks(s *site) {
	const most = 60
	f := s.misbehaves("fork", fmt.Sprintf("\tresources: limit: pids: %d\n", most))
	s.eventually("as many processes as there may be", func() bool { return tasks(s.t, f) >= most-2 })
	for range 20 {
		if n := tasks(s.t, f); n > most {
			s.t.Errorf("%d tasks, and %d is the most", n, most)
		}
	}
	wantText(s.t, "exec beside it", s.shell("bayplan exec shop/web.0 -- /program echo fine"), "fine")
}

// tasks is what the kernel counts of a container.
func tasks(t *testing.T, f folder) int {
	t.Helper()
	usage, err := cgroup.Stats(f.cfg.Cgroup)
	if err != nil {
		t.Fatal(err)
	}
	return int(usage.Pids)
}

// zombies are the program's own fault, and end with it.
func zombies(s *site) {
	f := s.misbehaves("zombies", "")
	s.eventually("all of them", func() bool { out, _ := s.try("bayplan logs shop/bad"); return strings.Contains(out, "done") })
	wantText(s.t, "exec in it", s.shell("bayplan exec shop/bad.0 -- /program echo fine"), "fine")
	if n := len(processes(s.t, f)); n < 2 {
		s.t.Errorf("%d processes", n)
	}
}

// processes are those of a container's control group.
func processes(t *testing.T, f folder) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(groupRoot(t), f.cfg.Cgroup, "cgroup.procs"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(b))
}
