//go:build linux

package compile

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/seccomp"
)

// The files' attributes are refused, and all else is answered as without it.
func TestBounded_RefusesOnlyWhatUndoesAQuota(t *testing.T) {
	raw := seccomp.Bounded()
	if len(raw) == 0 {
		t.Skip("there is no filter for this architecture")
	}
	bounded, filter := machine(t, raw), machine(t, seccomp.Filter())
	audit := uint32(unix.AUDIT_ARCH_X86_64)
	if unix.SYS_IOCTL != 16 {
		audit = unix.AUDIT_ARCH_AARCH64
	}
	for _, request := range []uint64{0x401c5820, 0x40086602, 0x40046602, 0xbad_401c5820} {
		if got := run(t, bounded, audit, unix.SYS_IOCTL, [6]uint64{3, request}); got != errno|uint32(unix.EPERM) {
			t.Errorf("request %#x: %#x", request, got)
		}
	}
	for number := range uint32(600) {
		for _, args := range [][6]uint64{{}, {0x401c5820}, {3, 0x801c581f}, {3, unix.TCGETS}, {0, 0, 0x40086602}} {
			if got, want := run(t, bounded, audit, number, args), run(t, filter, audit, number, args); got != want {
				t.Errorf("%d %x: %#x, want %#x", number, args, got, want)
			}
		}
	}
	if got := run(t, bounded, unix.AUDIT_ARCH_I386, 1, [6]uint64{}); got != kill {
		t.Errorf("another architecture: %#x", got)
	}
}

// machine is a program as the kernel takes it.
func machine(t *testing.T, program []byte) *bpf.VM {
	t.Helper()
	var raw []bpf.RawInstruction
	for ; len(program) >= 8; program = program[8:] {
		raw = append(raw, bpf.RawInstruction{Op: binary.LittleEndian.Uint16(program), Jt: program[2], Jf: program[3], K: binary.LittleEndian.Uint32(program[4:])})
	}
	code, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("there are instructions that are none")
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}
