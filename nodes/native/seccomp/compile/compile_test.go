//go:build linux

package compile

import (
	"bytes"
	"encoding/binary"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the filters")

// caps are those that the profile asks about and a container has.
var caps = []string{"CAP_SYS_CHROOT"}

func targets(t *testing.T) []Target {
	return []Target{
		{Arch: "amd64", Audit: unix.AUDIT_ARCH_X86_64, Numbers: numbers(t, "amd64"), Caps: caps},
		{Arch: "arm64", Audit: unix.AUDIT_ARCH_AARCH64, Numbers: numbers(t, "arm64"), Caps: caps},
	}
}

// numbers are the system calls that golang.org/x/sys/unix knows.
func numbers(t *testing.T, arch string) map[string]uint32 {
	t.Helper()
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "golang.org/x/sys/unix").Output()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(strings.TrimSpace(string(dir)), "zsysnum_linux_"+arch+".go")
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]uint32{}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		number, err := strconv.ParseUint(v.Values[0].(*ast.BasicLit).Value, 0, 32)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.ToLower(strings.TrimPrefix(v.Names[0].Name, "SYS_"))] = uint32(number)
		return false
	})
	return all
}

func docker(t *testing.T, target Target) (Policy, []bpf.Instruction) {
	t.Helper()
	p, err := Resolve(seccomp.DefaultProfile(), target)
	if err != nil {
		t.Fatal(err)
	}
	code, err := Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return p, code
}

func TestFilters_AreWhatTheProfileSays(t *testing.T) {
	for _, target := range targets(t) {
		_, code := docker(t, target)
		want, err := Bytes(code)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("..", target.Arch+".bpf")
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what go.mod's profile says (%v): go test -update", path, err)
		}
	}
}

// answer is what the policy says, read plainly.
func answer(p Policy, audit, number uint32, args [6]uint64) uint32 {
	if audit != p.Audit {
		return kill
	}
	if number > p.Newest {
		return errno | uint32(unix.ENOSYS)
	}
	for _, r := range p.Rules[number] {
		fits := true
		for _, c := range r.Conditions {
			fits = fits && fit(c, args[c.Index])
		}
		if fits {
			return r.Action
		}
	}
	return p.Refused
}

func fit(c specs.LinuxSeccompArg, v uint64) bool {
	return map[specs.LinuxSeccompOperator]bool{
		specs.OpEqualTo: v == c.Value, specs.OpNotEqual: v != c.Value,
		specs.OpLessThan: v < c.Value, specs.OpLessEqual: v <= c.Value,
		specs.OpGreaterThan: v > c.Value, specs.OpGreaterEqual: v >= c.Value,
		specs.OpMaskedEqual: v&c.Value == c.ValueTwo,
	}[c.Op]
}

// run runs the program as the kernel would. The machine of x/net/bpf reads words
// big endian, so they are written so.
func run(t interface{ Fatal(...any) }, vm *bpf.VM, audit, number uint32, args [6]uint64) uint32 {
	var b []byte
	for _, w := range []uint32{number, audit, 0, 0} {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	for _, a := range args {
		b = binary.BigEndian.AppendUint32(b, uint32(a))
		b = binary.BigEndian.AppendUint32(b, uint32(a>>32))
	}
	n, err := vm.Run(b)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}

func TestFilter_AnswersAsTheProfile(t *testing.T) {
	for _, target := range targets(t) {
		p, code := docker(t, target)
		vm, err := bpf.NewVM(code)
		if err != nil {
			t.Fatal(err)
		}
		for number := range uint32(600) {
			for _, a := range interesting(p.Rules[number]) {
				for _, args := range [][6]uint64{{a, a}, {a, 0}, {0, a}} {
					if got, want := run(t, vm, p.Audit, number, args), answer(p, p.Audit, number, args); got != want {
						t.Fatalf("%s %d%x: %#x, want %#x", target.Arch, number, args, got, want)
					}
				}
			}
		}
		for _, number := range []uint32{0x40000000, 0x40000001, 1<<32 - 1} {
			if got := run(t, vm, p.Audit, number, [6]uint64{}); got != errno|uint32(unix.ENOSYS) {
				t.Errorf("%s %#x: %#x", target.Arch, number, got)
			}
		}
		if got := run(t, vm, unix.AUDIT_ARCH_I386, 1, [6]uint64{}); got != kill {
			t.Errorf("%s: another architecture: %#x", target.Arch, got)
		}
	}
}

// interesting are values on both sides of what the rules look at.
func interesting(rules []Rule) []uint64 {
	all := []uint64{0, 1, 1 << 31, 1 << 32, 1<<64 - 1}
	for _, r := range rules {
		for _, c := range r.Conditions {
			for _, v := range []uint64{c.Value, c.ValueTwo} {
				all = append(all, v-1, v, v+1, v|1<<32, v|1<<63, v&^(v-1), ^v)
			}
		}
	}
	return all
}

func TestFilter_RefusesWhatMatters(t *testing.T) {
	for _, target := range targets(t) {
		p, code := docker(t, target)
		vm, err := bpf.NewVM(code)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields(`mount umount2 pivot_root setns unshare keyctl add_key request_key bpf kexec_load
			init_module finit_module delete_module reboot swapon swapoff syslog acct settimeofday clock_settime
			open_by_handle_at perf_event_open userfaultfd quotactl io_uring_setup move_mount fsopen open_tree mount_setattr`) {
			n, ok := target.Numbers[name]
			if got := run(t, vm, p.Audit, n, [6]uint64{}); !ok || got != errno|uint32(unix.EPERM) {
				t.Errorf("%s %s: %#x", target.Arch, name, got)
			}
		}
		clone := [6]uint64{unix.CLONE_NEWUSER | uint64(unix.SIGCHLD)}
		if got := run(t, vm, p.Audit, target.Numbers["clone"], clone); got != p.Refused {
			t.Errorf("%s: a user namespace: %#x", target.Arch, got)
		}
		if got := run(t, vm, p.Audit, target.Numbers["clone3"], clone); got != errno|uint32(unix.ENOSYS) {
			t.Errorf("%s: clone3: %#x", target.Arch, got)
		}
	}
}

func TestCompile_AnyPolicyAsItReads(t *testing.T) {
	ops := []specs.LinuxSeccompOperator{specs.OpEqualTo, specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual,
		specs.OpGreaterThan, specs.OpGreaterEqual, specs.OpMaskedEqual}
	value := rapid.OneOf(rapid.Uint64Range(0, 3), rapid.SampledFrom([]uint64{1 << 32, 1<<32 | 1, 3 << 32, 1<<64 - 1}), rapid.Uint64())
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{Audit: 7, Rules: map[uint32][]Rule{}, Refused: errno | 1}
		for range rapid.IntRange(1, 60).Draw(t, "rules") {
			n := rapid.Uint32Range(0, 90).Draw(t, "number")
			r := Rule{Action: allow}
			for range rapid.IntRange(0, 3).Draw(t, "conditions") {
				r.Conditions = append(r.Conditions, specs.LinuxSeccompArg{
					Index: rapid.UintRange(0, 5).Draw(t, "index"), Op: rapid.SampledFrom(ops).Draw(t, "op"),
					Value: value.Draw(t, "value"), ValueTwo: value.Draw(t, "two"),
				})
			}
			p.Rules[n] = append(p.Rules[n], r)
			p.Newest = max(p.Newest, n)
		}
		code, err := Compile(p)
		if err != nil {
			t.Fatal(err)
		}
		vm, err := bpf.NewVM(code)
		if err != nil {
			t.Fatal(err)
		}
		for number := range uint32(92) {
			var args [6]uint64
			for i := range args {
				args[i] = value.Draw(t, "arg")
			}
			if got, want := run(t, vm, 7, number, args), answer(p, 7, number, args); got != want {
				t.Fatalf("%d%x: %#x, want %#x", number, args, got, want)
			}
		}
	})
}
