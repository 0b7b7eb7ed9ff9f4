package bridge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// envCrash is what a child process of these tests does before it is killed: the
// state directory, the back end, and when to die.
const envCrash = "BAYPLAN_BRIDGE_TEST_CRASH"

// crash is the child: it dies by SIGKILL and never returns.
func crash() {
	set := strings.Split(os.Getenv(envCrash), "|")
	n, err := Open(Config{Dir: set[0], Key: "crash", Backend: Backend(set[1]), Log: quiet})
	check(err)
	if set[2] == "live" {
		live(n)
	}
	if after, err := time.ParseDuration(set[2]); err == nil {
		go dieAfter(after)
	} else {
		n.opening.Wait()
		n.ruler = &dying{ruler: n.ruler, at: set[2]}
	}
	for i := 0; ; i++ {
		id := fmt.Sprint("c", i)
		_, err := n.Attach(context.Background(), id, both(20000+i, 80))
		check(err)
		if i%3 != 0 {
			check(n.Detach(context.Background(), id))
		} else {
			check(n.Detach(context.Background(), fmt.Sprint("c", i-3)))
		}
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "crash child:", err)
		os.Exit(3)
	}
}

func die() {
	_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	select {}
}

func dieAfter(d time.Duration) {
	<-time.After(d)
	die()
}

// dying is a ruler that does not survive one of its calls.
type dying struct {
	ruler
	at string
}

func (d *dying) publish(some, all []rule) error {
	return d.around("publish", func() error { return d.ruler.publish(some, all) })
}

func (d *dying) withdraw(some, all []rule) error {
	return d.around("withdraw", func() error { return d.ruler.withdraw(some, all) })
}

func (d *dying) around(call string, f func() error) error {
	if d.at == "before "+call {
		die()
	}
	err := f()
	if d.at == "after "+call {
		die()
	}
	return err
}

// live attaches a container with a process in it, tells of it, and dies.
func live(n *Network) {
	a, err := n.Attach(context.Background(), "web", both(20080, 8080))
	check(err)
	cmd := exec.Command("sleep", "60")
	check(visit(a.Namespace, func() { err = cmd.Start() }))
	check(err)
	fmt.Println(cmd.Process.Pid, a.Address)
	die()
}

// child runs one and returns what it said before it was killed.
func child(t *testing.T, dir string, b Backend, when string) string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), envCrash+"="+dir+"|"+string(b)+"|"+when)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	pipe, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	said, _ := bufio.NewReader(pipe).ReadString('\n')
	_, _ = io.Copy(io.Discard, pipe)
	_ = cmd.Wait()
	if s := cmd.ProcessState.Sys().(syscall.WaitStatus); !s.Signaled() {
		t.Fatalf("the child ended by itself: %v", cmd.ProcessState)
	}
	return said
}

func TestSweep_AfterKillLeavesNothing(t *testing.T) {
	onEach(t, func(t *testing.T, b Backend) {
		before := look(t)
		when := []string{"before publish", "after publish", "before withdraw", "after withdraw"}
		moments := 10
		if b == Iptables {
			moments = 1
		}
		for i := range moments {
			when = append(when, (time.Duration(i*i*i) * 100 * time.Microsecond).String())
		}
		dir := t.TempDir()
		for _, at := range when {
			child(t, dir, b, at)
			n := reopen(t, Config{Dir: dir, Key: "crash", Backend: b})
			must(t, n.Sweep(t.Context(), nil))
			if all := nftRules(t); b == Nftables && len(all) != 6 { // the table and its chains, no element
				t.Errorf("killed %s: %v", at, all)
			}
			must(t, n.Close(true))
			sameAs(t, before)
		}
	})
}

func TestOpen_AfterKillAdoptsWhatRuns(t *testing.T) {
	onBoth(t, func(t *testing.T, b Backend) {
		before, dir := look(t), t.TempDir()
		var pid int
		var address string
		if _, err := fmt.Sscan(child(t, dir, b, "live"), &pid, &address); err != nil {
			t.Fatal(err)
		}
		end := func() { _ = syscall.Kill(pid, syscall.SIGKILL) }
		t.Cleanup(end)
		inside := fmt.Sprintf("/proc/%d/ns/net", pid)
		n := reopen(t, Config{Dir: dir, Key: "crash", Backend: b})
		t.Run("serves", func(t *testing.T) { // its servers end before the container does
			serve(t, inside, 8080, "web")
			gw := gateway(n.Range()).String()
			expect(t, here, "127.0.0.1:20080", "web "+gw)
			must(t, n.Sweep(t.Context(), []string{"web"}))
			expect(t, here, "127.0.0.1:20080", "web "+gw)
		})
		if err := listen("tcp", 20080); err == nil {
			t.Error("the published port is free for other processes")
		}
		a := attach(t, n, "web", both(20080, 8080)...)
		if got, want := inode(t, a.Namespace), inode(t, inside); got != want || a.Address.String() != address {
			t.Errorf("attached again: namespace %d at %s, want %d at %s", got, a.Address, want, address)
		}
		end()
		must(t, n.Detach(t.Context(), "web"))
		must(t, n.Close(true))
		sameAs(t, before)
	})
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	s, err := own(path)
	must(t, err)
	defer s.close()
	return s.inode
}

func TestAttach_AgainAfterTheContainerWentKeepsTheAddress(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	n := reopen(t, Config{Dir: dir, Key: "a"})
	first := attach(t, n, "web", both(20080, 8080)...)
	must(t, n.Close(false)) // nobody is in the namespace: it goes
	n = network(t, Config{Dir: dir, Key: "a"})
	second := attach(t, n, "web", both(20080, 8080)...)
	if first.Address != second.Address {
		t.Errorf("address %s, was %s", second.Address, first.Address)
	}
	serve(t, second.Namespace, 8080, "web")
	expect(t, here, "127.0.0.1:20080", "web "+second.Gateway.String())
	if err := listen("tcp", 20080); err == nil {
		t.Error("the published port is free for other processes")
	}
}
