package dev

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// kept keeps a witness; cancel asks for the end, done yields when it has come.
type kept struct {
	keeper *keeper
	hurry  chan struct{}
	deaths chan error
	cancel context.CancelFunc
	done   chan error
}

func keepWitness(t *testing.T, b *lobby, more ...string) *kept {
	t.Helper()
	s := newStarter()
	t.Cleanup(s.close)
	x := &kept{hurry: make(chan struct{}), deaths: make(chan error, 10), done: make(chan error, 1)}
	x.keeper = &keeper{starter: s, dir: t.TempDir(), hurry: x.hurry}
	makeDirs(t, x.keeper.dir)
	var ctx context.Context
	ctx, x.cancel = context.WithCancel(t.Context())
	c := child{
		name: "w",
		command: func() (*exec.Cmd, error) {
			return exec.Command(self(), append([]string{"witness", b.path}, more...)...), nil
		},
		died: func(err error, _ int, _ time.Duration) { x.deaths <- err },
	}
	go func() { x.done <- x.keeper.keep(ctx, c) }()
	return x
}

func makeDirs(t *testing.T, dir string) {
	t.Helper()
	for _, sub := range []string{"log", "pid"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func kill(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.FindProcess(n)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
}

func TestKeep_KilledChildStartsAgain(t *testing.T) {
	b := newLobby(t)
	x := keepWitness(t, b)
	first := <-b.conns
	pid := line(t, first)
	kill(t, pid)
	if last := line(t, first); last != "" {
		t.Errorf("after SIGKILL it said %q", last)
	}
	if err := <-x.deaths; err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("death: %v", err)
	}
	second := <-b.conns
	again := line(t, second)
	if again == pid || again == "" {
		t.Errorf("pid %q after %q", again, pid)
	}
	x.cancel()
	if err := <-x.done; err != nil {
		t.Error(err)
	}
	if last := line(t, second); last != "term" {
		t.Errorf("in the end it heard %q, want SIGTERM", last)
	}
	if _, err := os.Stat(x.keeper.pidFile("w")); !os.IsNotExist(err) {
		t.Errorf("pid file: %v", err)
	}
}

func TestKeep_PidFileNamesTheChild(t *testing.T) {
	b := newLobby(t)
	x := keepWitness(t, b)
	pid := line(t, <-b.conns)
	written, err := os.ReadFile(x.keeper.pidFile("w"))
	for os.IsNotExist(err) { // the child may be faster than its keeper
		written, err = os.ReadFile(x.keeper.pidFile("w"))
	}
	if err != nil || strings.TrimSpace(string(written)) != pid {
		t.Errorf("pid file %q, %v; pid %s", written, err, pid)
	}
	x.cancel()
	<-x.done
}

func TestKeep_DeafChildIsKilledInAHurry(t *testing.T) {
	b := newLobby(t)
	x := keepWitness(t, b, "deaf")
	c := <-b.conns
	line(t, c)
	x.cancel()
	if heard := line(t, c); heard != "term" {
		t.Errorf("heard %q", heard)
	}
	close(x.hurry)
	<-x.done
	if last := line(t, c); last != "" {
		t.Errorf("still says %q", last)
	}
}

func TestKeep_ProgramThatIsNotThereIsToldEachTime(t *testing.T) {
	s := newStarter()
	defer s.close()
	k := &keeper{starter: s, dir: t.TempDir()}
	makeDirs(t, k.dir)
	ctx, cancel := context.WithCancel(t.Context())
	before := 0
	k.keep(ctx, child{
		name:    "w",
		command: func() (*exec.Cmd, error) { return exec.Command(filepath.Join(k.dir, "nothing")), nil },
		died: func(err error, n int, pause time.Duration) {
			if !os.IsNotExist(err) || n != before || pause != firstPause<<n {
				t.Errorf("death %d: %v, n %d, pause %s", before, err, n, pause)
			}
			if before++; before == 2 {
				cancel()
			}
		},
	})
	if before != 2 {
		t.Errorf("%d deaths", before)
	}
}

func TestKeep_ChildEndsWithASupervisorThatIsKilled(t *testing.T) {
	b := newLobby(t)
	dir := t.TempDir()
	makeDirs(t, dir)
	parent := exec.Command(self(), "supervisor", b.path, dir)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	c := <-b.conns
	line(t, c)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	parent.Wait()
	if last := line(t, c); last != "" {
		t.Errorf("it said %q", last)
	}
}

func TestOpenLog_LargeOneIsPutAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, logLimit+1); err != nil {
		t.Fatal(err)
	}
	f, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if info, err := os.Stat(path + ".1"); err != nil || info.Size() != logLimit+1 {
		t.Errorf("%v %v", info, err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("%v %v", info, err)
	}
}
