package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/reconciler"
)

// A server whose data folder is full says so, orders nothing that it could not
// record, and goes on by itself once there is room.
func TestE2E_FullDisk(t *testing.T) {
	s := build(t)
	if os.Getuid() != 0 {
		t.Skip("not root: no disk of its own")
	}
	tmpfs(t, s.dataDir, 320<<20)
	s.up(1)
	s.put("shop/web", sleeper)
	s.wantOutcome(s.commit("what runs well"), reconciler.Applied)
	running := s.containers()

	filler := filepath.Join(s.dataDir, "filler")
	fill(t, filler, 90<<20)
	s.wantProblem("disk-low", []string{"disk full", "free under " + s.dataDir}, "free space under "+s.dataDir)
	fill(t, filler, 0)
	s.put("shop/more", sleeper)
	commit := s.commit("more, with no room to record it")
	s.wantShown("disk full", "next: ")
	wantSame(t, "with a full disk", running, s.containers())

	s.server.kill()
	p := spawn(t, "server-full", s.serverCommand())
	if code := p.ends(); code != 1 {
		t.Errorf("a server with a full disk: exit code %d, want 1", code)
	}
	p.wantSaid("disk full", "free under "+s.dataDir, "free some space")
	wantSame(t, "without a server", running, s.containers())

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s.startServer()
	s.wantOutcome(commit, reconciler.Applied)
	if now := s.of("shop/web"); len(now) != 1 {
		t.Errorf("shop/web: %v", now)
	} else {
		wantSame(t, "shop/web", running, now)
	}
}

// Freed while it runs, the server takes up what it could not record.
func TestE2E_FullDiskIsFreed(t *testing.T) {
	s := build(t)
	if os.Getuid() != 0 {
		t.Skip("not root: no disk of its own")
	}
	tmpfs(t, s.dataDir, 320<<20)
	s.up(1)
	s.put("shop/web", sleeper)
	s.wantOutcome(s.commit("what runs well"), reconciler.Applied)
	running := s.containers()
	filler := filepath.Join(s.dataDir, "filler")
	fill(t, filler, 0)
	s.put("shop/more", sleeper)
	commit := s.commit("more, with no room to record it")
	s.wantShown("disk full")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s.wantOutcome(commit, reconciler.Applied)
	wantSame(t, "shop/web", running, s.of("shop/web"))
	if !s.server.running() {
		t.Errorf("the server ended:\n%s", s.server.tail(10))
	}
}

// tmpfs makes a folder a disk of its own of that size.
func tmpfs(t *testing.T, dir string, size int64) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("bayplan-e2e", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Skipf("no disk of its own: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmounting %s: %v", dir, err)
		}
	})
}

// fill lets a file grow until so much is free on its disk.
func fill(t *testing.T, path string, leave int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 1<<20); ; {
		var s unix.Statfs_t
		if err := unix.Fstatfs(int(f.Fd()), &s); err != nil {
			t.Fatal(err)
		}
		free := int64(s.Bavail)*s.Bsize - leave
		if free <= 0 {
			return
		}
		if _, err := f.Write(block[:min(free, int64(len(block)))]); err != nil && !strings.Contains(err.Error(), "no space") {
			t.Fatal(err)
		}
	}
}

// An etcd that does not start ends the server with one clear line, and what
// runs goes on.
func TestE2E_EtcdThatDoesNotStart(t *testing.T) {
	s := build(t)
	s.up(1)
	s.put("shop/web", sleeper)
	s.wantOutcome(s.commit("what runs well"), reconciler.Applied)
	running := s.containers()
	second := func(name string, flags ...string) *process {
		t.Helper()
		p := spawn(t, name, exec.Command(s.binary, append([]string{"server", "--repo", filepath.Join(s.dir, "repo.git"),
			"--listen", "127.0.0.1:0"}, flags...)...))
		if code := p.ends(); code != 1 {
			t.Errorf("%s: exit code %d, want 1", name, code)
		}
		return p
	}
	p := second("second", "--data-dir", s.dataDir)
	p.wantSaid(fmt.Sprintf("another server (pid %d) uses", s.server.cmd.Process.Pid), "--data-dir")
	wantOneError(p)
	p = second("outside", "--data-dir", filepath.Join(s.dir, "outside"), "--etcd", freeAddress(t))
	p.wantSaid("etcd does not answer")
	wantOneError(p)
	if ready(s.status()) != 1 {
		t.Errorf("nodes: %+v", s.status().Nodes)
	}

	s.server.kill()
	db := filepath.Join(s.dataDir, "ledger", "etcd", "member", "snap", "db")
	rename(t, db, db+".good")
	writeFile(t, db, strings.Repeat("this is no database\n", 1000))
	p = second("garbage", "--data-dir", s.dataDir)
	p.wantSaid("corrupt", filepath.Join(s.dataDir, "ledger"), "restore a backup")
	wantOneError(p)
	wantSame(t, "without a server", running, s.containers())

	if err := os.Remove(db); err != nil {
		t.Fatal(err)
	}
	rename(t, db+".good", db)
	s.startServer()
	s.eventually("the node", func() bool { return ready(s.status()) == 1 })
	wantSame(t, "with the data back", running, s.containers())
}

// wantOneError wants one line with a cause, and at most one with the next step,
// beside what a server logs.
func wantOneError(p *process) {
	p.t.Helper()
	var plain []string
	for line := range strings.Lines(p.said()) {
		if !strings.HasPrefix(line, "time=") {
			plain = append(plain, line)
		}
	}
	if len(plain) == 0 || len(plain) > 2 || !strings.HasPrefix(plain[0], "bayplan: ") {
		p.t.Errorf("%s: want one error, got\n%s", p.name, p.said())
	}
}
