//go:build linux && cgo && (amd64 || arm64)

package monitor_test

import (
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

func sleeper(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, "sleep")
	r.cfg.User, r.cfg.Workdir = "app", "/tmp"
	r.start()
	r.awaitOutput("ready")
	return r
}

func TestExec_IsAsTheProgram(t *testing.T) {
	r := sleeper(t)
	for _, c := range []struct {
		args, out, errs string
		code            int
	}{
		{"exit 7", "", "", 7},
		{"say hello", "hello\n", "", 0},
		{"complain hello", "", "hello\n", 0},
		{"who", "1000 1000 [2000] /tmp /home/app box\n", "", 0},
		{"env PATH", "/bin\n", "", 0},
		{"mount", "1\n", "", 0},
		{"status Seccomp NoNewPrivs CapEff", "CapEff 0000000000000000\nNoNewPrivs 1\nSeccomp 2\n", "", 0},
	} {
		code, out, errs := r.command(bundle.Exec{Args: append([]string{"probe"}, strings.Fields(c.args)...)}, "")
		if code != c.code || out != c.out || errs != c.errs {
			t.Errorf("%s: %d %q %q", c.args, code, out, errs)
		}
	}
	if e := r.stop("SIGTERM", patience); e.Code != 0 {
		t.Errorf("%+v", e)
	}
}

func TestExec_CarriesItsInputToTheEnd(t *testing.T) {
	r := sleeper(t)
	text := strings.Repeat("some text\n", 50_000)
	if code, out, _ := r.command(bundle.Exec{Args: []string{"probe", "cat"}, Stdin: true}, text); code != 0 || out != text {
		t.Errorf("%d, %d bytes", code, len(out))
	}
}

func TestExec_ProgramsThatCannotRun(t *testing.T) {
	r := sleeper(t)
	for _, program := range []string{"nothing", "/bin/junk"} {
		if code, _, errs := r.command(bundle.Exec{Args: []string{program}}, ""); code != -1 || !strings.Contains(errs, `"kind":"program"`) {
			t.Errorf("%s: %d %s", program, code, errs)
		}
	}
}

func TestExec_WithATerminal(t *testing.T) {
	r := sleeper(t)
	c := r.ask(bundle.Request{Op: bundle.OpExec, Exec: &bundle.Exec{Args: []string{"probe", "resized"}, TTY: true, Stdin: true}})
	size := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, 40), 132)
	r.must(bundle.WriteFrames(c, bundle.FrameResize, size))
	r.must(bundle.WriteFrames(c, bundle.FrameStdin, []byte("typed\n")))
	r.must(bundle.WriteFrames(c, bundle.FrameStdin, nil))
	code, out := talk(t, c)
	if code != 0 || !strings.Contains(out, "xterm 40x132\r\n") || !strings.HasSuffix(out, "typed\r\n") {
		t.Errorf("%d %q", code, out)
	}
}

// talk reads to the end.
func talk(t *testing.T, c net.Conn) (code int, out string) {
	t.Helper()
	for {
		kind, p, err := bundle.ReadFrame(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		switch kind {
		case bundle.FrameStdout:
			out += string(p)
		case bundle.FrameExit:
			return int(binary.BigEndian.Uint32(p)), out
		default:
			t.Fatalf("%v %q", kind, p)
		}
	}
}

// processes is how many there are in the container, this look aside.
func (r *rig) processes() int {
	r.Helper()
	_, out, _ := r.command(bundle.Exec{Args: []string{"probe", "pids"}}, "")
	return strings.Count(out, "\n") - 1
}

func TestExec_EndsWithItsConnection(t *testing.T) {
	r := sleeper(t)
	before := r.processes()
	c := r.ask(bundle.Request{Op: bundle.OpExec, Exec: &bundle.Exec{Args: []string{"probe", "nest"}}})
	kind, p, err := bundle.ReadFrame(c, nil)
	if kind != bundle.FrameStdout || string(p) != "ready\n" || err != nil {
		t.Fatalf("%v %q %v", kind, p, err)
	}
	if now := r.processes(); now != before+2 {
		t.Errorf("%d processes, %d before", now, before)
	}
	r.must(c.Close())
	r.eventually("the command to end", func() bool { return r.processes() == before })
}

// It does not read its input, of which there is more than a pipe holds.
func TestExec_EndsWithItsConnectionWhateverItDoes(t *testing.T) {
	r := sleeper(t)
	before := r.processes()
	c := r.ask(bundle.Request{Op: bundle.OpExec, Exec: &bundle.Exec{Args: []string{"probe", "ignore"}, Stdin: true}})
	if _, p, err := bundle.ReadFrame(c, nil); string(p) != "ready\n" || err != nil {
		t.Fatalf("%q %v", p, err)
	}
	r.must(bundle.WriteFrames(c, bundle.FrameStdin, make([]byte, 128<<10)))
	r.must(c.Close())
	r.eventually("the command to end", func() bool { return r.processes() == before })
}

func TestExec_ThereIsOneSingle(t *testing.T) {
	r := sleeper(t)
	before := r.processes()
	ask := bundle.Request{Op: bundle.OpExec, Exec: &bundle.Exec{Args: []string{"probe", "sleep"}, Single: true}}
	for range 3 {
		c := r.ask(ask)
		if _, p, err := bundle.ReadFrame(c, nil); string(p) != "ready\n" || err != nil {
			t.Fatalf("%q %v", p, err)
		}
		if now := r.processes(); now != before+1 {
			t.Errorf("%d processes, %d before", now, before)
		}
	}
	if code, _, _ := r.command(bundle.Exec{Args: []string{"probe", "exit", "3"}, Single: true}, ""); code != 3 {
		t.Errorf("%d", code)
	}
	if now := r.processes(); now != before {
		t.Errorf("%d processes, %d before", now, before)
	}
}

func TestExec_EndsWithTheContainer(t *testing.T) {
	r := sleeper(t)
	c := r.ask(bundle.Request{Op: bundle.OpExec, Exec: &bundle.Exec{Args: []string{"probe", "ignore"}}})
	if _, p, err := bundle.ReadFrame(c, nil); string(p) != "ready\n" || err != nil {
		t.Fatalf("%q %v", p, err)
	}
	r.stop("SIGTERM", patience)
	if code, _ := talk(t, c); code != 137 {
		t.Errorf("%d", code)
	}
}

func TestExec_ManyAtOnce(t *testing.T) {
	r := sleeper(t)
	done := make(chan string)
	for range 8 {
		go func() {
			_, out, errs := r.command(bundle.Exec{Args: []string{"probe", "say", "hello"}}, "")
			done <- out + errs
		}()
	}
	for range 8 {
		if out := <-done; out != "hello\n" {
			t.Errorf("%q", out)
		}
	}
}

// BenchmarkExec is what a check by a command costs.
func BenchmarkExec(b *testing.B) {
	r := newRig(b, "sleep")
	r.start()
	r.awaitOutput("ready")
	for b.Loop() {
		if code, _, errs := r.command(bundle.Exec{Args: []string{"probe", "exit", "0"}}, ""); code != 0 {
			b.Fatal(code, errs)
		}
	}
	b.StopTimer()
	before := childrenCPU(b)
	r.exit(r.ask(bundle.Request{Op: bundle.OpStop, Signal: "SIGKILL"}))
	r.wait()
	b.ReportMetric(float64(childrenCPU(b)-before)/float64(time.Millisecond)/float64(b.N), "CPU-ms/op")
}
