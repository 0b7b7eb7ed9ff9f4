//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func TestEnvironment_TheLastOfANameCountsAndThereIsAHome(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		env := rapid.SliceOf(rapid.StringMatching(`(A|B|HOME|PATH|)=?[a-c=]{0,2}`)).Draw(t, "env")
		want := map[string]string{}
		for _, kv := range env {
			if name, value, _ := strings.Cut(kv, "="); name != "" && strings.Contains(kv, "=") {
				want[name] = value
			} else if name != "" {
				delete(want, name) // a name alone unsets it
			}
		}
		if want["HOME"] == "" {
			want["HOME"] = "/home/x"
		}
		got := environment(env, "/home/x")
		if len(got) != len(want) {
			t.Fatalf("%q, want %q", got, want)
		}
		for name, value := range want {
			if !slices.Contains(got, name+"="+value) {
				t.Fatalf("%q, want %q", got, want)
			}
		}
	})
}

func TestCandidates_AsASearchByPathDoes(t *testing.T) {
	for _, c := range []struct{ program, path, want string }{
		{"sh", "/bin:/usr/bin", "/bin/sh /usr/bin/sh"},
		{"sh", "/bin::", "/bin/sh ./sh ./sh"},
		{"./sh", "/bin", "./sh"},
		{"/x/sh", "", "/x/sh"},
		{"sh", "", "/usr/local/sbin/sh /usr/local/bin/sh /usr/sbin/sh /usr/bin/sh /sbin/sh /bin/sh"},
	} {
		if got := strings.Join(candidates(c.program, c.path), " "); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestNumber_OfSignals(t *testing.T) {
	for name, want := range map[string]unix.Signal{"SIGTERM": unix.SIGTERM, "quit": unix.SIGQUIT, "SIGUSR1": unix.SIGUSR1, "": unix.SIGTERM, "what": unix.SIGTERM} {
		if got := number(name); got != want {
			t.Errorf("%q is %v", name, got)
		}
	}
}

func TestStat_OfNamesThatHoldAnything(t *testing.T) {
	p, err := identify(unix.Getpid())
	if err != nil || p.Start == 0 {
		t.Errorf("%+v %v", p, err)
	}
	want, err := unix.Getsid(0)
	if err != nil {
		t.Fatal(err)
	}
	if session, err := stat(unix.Getpid(), statSession); err != nil || session != uint64(want) {
		t.Error(session, want, err)
	}
}
