//go:build linux && cgo && (amd64 || arm64)

package first

import (
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// allowAll is a filter that refuses nothing.
func allowAll(t *testing.T) []byte {
	raw, err := bpf.Assemble([]bpf.Instruction{bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}})
	if err != nil {
		t.Fatal(err)
	}
	b := binary.LittleEndian.AppendUint16(nil, raw[0].Op)
	return binary.LittleEndian.AppendUint32(append(b, raw[0].Jt, raw[0].Jf), raw[0].K)
}

// begin runs the program and returns what it tells when all have let go of the
// pipe.
func begin(t *testing.T, filter []byte, args ...string) (*exec.Cmd, []byte) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a filter needs root, or no_new_privs")
	}
	files := make([]*os.File, 2)
	for i, content := range [][]byte{Program(), filter} {
		path := t.TempDir() + "/f"
		if err := os.WriteFile(path, content, 0o700); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	cmd := exec.Cmd{
		Path: "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(int(files[0].Fd())),
		Args: append([]string{"self", "first-of-all"}, args...), ExtraFiles: append(files, write), Env: os.Environ(),
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	told, err := io.ReadAll(read)
	if err != nil {
		t.Fatal(err)
	}
	return &cmd, told
}

func code(cmd *exec.Cmd) int {
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

func TestProgram_TellsTheExit(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 3": 3, "kill -9 $$": 137, "kill -TERM $$": 143, "(sleep 0.01; exit 1) & exit 5": 5} {
		cmd, told := begin(t, allowAll(t), "i", "/bin/sh", "", "sh", "-c", script)
		if got := code(cmd); got != want || len(told) > 0 {
			t.Errorf("%s: %d %x", script, got, told)
		}
	}
}

func TestProgram_PassesSignalsOn(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGHUP} {
		cmd, _ := begin(t, allowAll(t), "i", "/bin/sleep", "", "sleep", "100")
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if got := code(cmd); got != 128+int(sig) {
			t.Errorf("%v: %d", sig, got)
		}
	}
}

func TestProgram_SearchesAsAShellDoes(t *testing.T) {
	const exec, filter = 3, 1
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"plain": 0o644, "junk": 0o755} {
		if err := os.WriteFile(dir+"/"+name, []byte("junk"), mode); err != nil {
			t.Fatal(err)
		}
	}
	tell := func(where int, errno syscall.Errno) string {
		b := binary.NativeEndian.AppendUint32(nil, uint32(where))
		return string(binary.NativeEndian.AppendUint32(b, uint32(errno)))
	}
	for _, mode := range []string{"i", "x"} {
		for _, c := range []struct {
			filter     []byte
			candidates []string
			code       int
			told       string
		}{
			{allowAll(t), []string{"/none/true", dir + "/none", "/bin/true"}, 0, ""},
			{allowAll(t), []string{dir + "/plain", "/bin/true"}, 0, ""},
			{allowAll(t), []string{dir + "/plain", "/none"}, 127, tell(exec, syscall.EACCES)},
			{allowAll(t), []string{"/none", dir + "/plain/x"}, 127, tell(exec, syscall.ENOTDIR)},
			{allowAll(t), []string{dir + "/junk", "/bin/true"}, 127, tell(exec, syscall.ENOEXEC)},
			{nil, []string{"/bin/true"}, 127, tell(filter, syscall.EINVAL)},
			{[]byte("no filter at all"), []string{"/bin/true"}, 127, tell(filter, syscall.EINVAL)},
		} {
			cmd, told := begin(t, c.filter, append(append([]string{mode}, c.candidates...), "", "name")...)
			if got := code(cmd); got != c.code || string(told) != c.told {
				t.Errorf("%s %s: %d %x", mode, c.candidates, got, told)
			}
		}
	}
}

func TestProgram_EndsWhereNobodyReads(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a filter needs root, or no_new_privs")
	}
	path := t.TempDir() + "/f"
	if err := os.WriteFile(path, Program(), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "first", "i", "/bin/sleep", "", "sleep", "100")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = read.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{null, null, write}
	start := time.Now()
	if got := cmd.Run(); got == nil || cmd.ProcessState.ExitCode() != 127 || time.Since(start) > 50*time.Second {
		t.Errorf("%v after %v", got, time.Since(start))
	}
}

// The code is moved: nothing of it may be bound to where it was.
func TestProgram_IsSmallAndMovesWhole(t *testing.T) {
	if b := Program(); len(b) > 4096 {
		t.Errorf("%d bytes: something was dragged in", len(b))
	}
}
