package vm

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// suites are the packages whose tests run in the guest, with their flags.
var suites = []struct{ name, pkg, flags string }{
	{"native", "nodes/native", "-test.run=TestRuntime_KeepsTheContract|TestList_TellsOfFullVolumes"},
	{"monitor", "nodes/native/monitor", ""},
	{"cgroup", "nodes/native/cgroup", ""},
	{"quota", "nodes/native/quota", ""},
	// There is no iptables in the guest: other people's firewalls are for the machine.
	{"bridge", "nodes/native/bridge", "-test.skip=PassesDocker|Firewall"},
}

// programs are what the tests would build in the guest.
var programs = []struct {
	pkg    string
	static []string
}{
	{"nodes/native/monitor/bayplan-monitor", static},
	{"nodes/native/monitor/testdata/probe", nil},
	{"testenv/image/program", nil},
}

// static links what has C in it to a file that needs no library.
var static = []string{"-tags", "netgo,osusergo", "-ldflags", `-s -w -linkmode external -extldflags "-static"`}

// limit is for an emulated guest on a machine that has other things to do.
const limit = 12 * time.Minute

// The built-in runtime's contract, and the attacks on its isolation, on Debian's
// kernel and on control groups of version 2.
func TestE2E_DebiansKernelAndCgroup2(t *testing.T) {
	if os.Getenv("BAYPLAN_E2E") == "" {
		t.Skip("set BAYPLAN_E2E=1: it boots a virtual machine")
	}
	if _, err := os.Stat("/etc/debian_version"); err != nil || os.Geteuid() != 0 {
		t.Skip("the kernel and the emulator come from Debian, which takes Debian and root")
	}
	dir := t.TempDir()
	fill(t, dir)
	g := boot(t, dir)
	if !strings.Contains(g.greeting, "controllers: ") || !strings.Contains(g.greeting, "memory") {
		t.Fatalf("the guest did not come up: %q\n%s", g.greeting, g.tail())
	}
	t.Log(g.greeting)
	for _, s := range suites {
		t.Run(s.name, func(t *testing.T) { g.judge(t, s.name) })
	}
}

// fill makes the folder that vm.sh boots.
func fill(t *testing.T, dir string) {
	t.Helper()
	for _, sub := range []string{"tests", "prebuilt"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var flags strings.Builder
	for _, s := range suites {
		golang(t, "CGO_ENABLED=1", append([]string{"test", "-c", "-o", filepath.Join(dir, "tests", s.name+".test")}, static...), s.pkg)
		fmt.Fprintln(&flags, s.name, s.flags)
	}
	for _, p := range programs {
		cgo := "CGO_ENABLED=0"
		if p.static != nil {
			cgo = "CGO_ENABLED=1"
		}
		golang(t, cgo, append([]string{"build", "-o", filepath.Join(dir, "prebuilt", filepath.Base(p.pkg))}, p.static...), p.pkg)
	}
	if err := os.WriteFile(filepath.Join(dir, "flags"), []byte(flags.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func golang(t *testing.T, env string, args []string, pkg string) {
	t.Helper()
	cmd := exec.Command("go", append(args, "github.com/bayplan/bayplan/"+pkg)...)
	cmd.Env = append(os.Environ(), env)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s %s: %v\n%s", strings.Join(args, " "), pkg, err, out)
	}
}

// guest is what was heard of the virtual machine.
type guest struct {
	greeting string
	lines    []string
}

// boot returns once the guest is off.
func boot(t *testing.T, dir string) *guest {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "./vm.sh", "boot", dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	g := &guest{}
	for s := bufio.NewScanner(out); s.Scan(); {
		line := strings.TrimRight(s.Text(), "\r")
		g.lines = append(g.lines, line)
		if _, after, ok := strings.Cut(line, "Linux "); ok && g.greeting == "" {
			g.greeting = "Linux " + after
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("vm.sh: %v\n%s", err, g.tail())
	}
	return g
}

// A guest's own words come between the lines of a test, and in them.
var (
	ended   = regexp.MustCompile(`== (\S+) rc=(\d+)`)
	outcome = regexp.MustCompile(`--- (PASS|FAIL|SKIP): (\S+)`)
)

// judge finds the part of a suite and reports each of its tests that failed.
func (g *guest) judge(t *testing.T, name string) {
	from, passed := 0, 0
	for i, line := range g.lines {
		m := ended.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if m[1] != name {
			from = i + 1
			continue
		}
		for k, line := range g.lines[from:i] {
			switch m := outcome.FindStringSubmatch(line); {
			case m == nil:
			case m[1] == "FAIL":
				t.Errorf("%s failed in the guest:\n%s", m[2], strings.Join(g.lines[max(from, from+k-20):from+k+1], "\n"))
			case m[1] == "PASS":
				passed++
			}
		}
		if code, _ := strconv.Atoi(m[2]); code != 0 || passed == 0 {
			t.Errorf("it ended with %d after %d tests that passed", code, passed)
		}
		t.Logf("%d tests passed", passed)
		return
	}
	t.Errorf("it never ended:\n%s", g.tail())
}

func (g *guest) tail() string {
	return strings.Join(g.lines[max(0, len(g.lines)-40):], "\n")
}
