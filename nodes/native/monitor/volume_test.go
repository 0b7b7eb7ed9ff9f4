//go:build linux && cgo && (amd64 || arm64)

package monitor_test

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/quota"
	"github.com/bayplan/bayplan/nodes/native/quota/quotatest"
)

// sized is a rig with a volume of so many bytes that root in the container tries
// to get around.
func sized(t *testing.T, source string, size int64) *rig {
	r := newRig(t, "each", "fill /vol/x", "project /vol/x", "project /vol", "flags /vol", "flags32 /vol", "setattr", "fill /vol/y")
	r.cfg.Mounts = []bundle.Mount{{Source: source, Target: "/vol", Fill: true, Size: size}}
	return r
}

// answers are an errno each, and what is done.
func answers(all ...any) string {
	var text strings.Builder
	for _, a := range all {
		if e, is := a.(unix.Errno); is {
			a = number(e)
		}
		text.WriteString(a.(string) + ";;\n")
	}
	return text.String()
}

func TestVolume_KeepsItsSizeWhateverIsTried(t *testing.T) {
	at := filepath.Join(quotatest.Mount(t, "prjquota"), "data")
	denied, full := unix.EPERM, unix.EDQUOT
	if _, out := sized(t, at, 4<<20).finish(); out != answers(full, denied, denied, denied, denied, unix.ENOSYS, full) {
		t.Errorf("%q", out)
	}
	if u, err := quota.Of(at); err != nil || u.Limit != 4<<20 || u.Used > 4<<20 || u.Used < 3<<20 {
		t.Errorf("%+v, %v", u, err)
	}
	// Larger by the next life, and without a bound by the one after.
	if _, out := sized(t, at, 20<<20).finish(); out != answers("done", denied, denied, denied, denied, unix.ENOSYS, "done") {
		t.Errorf("%q", out)
	}
	if _, out := sized(t, at, 0).finish(); !strings.HasPrefix(out, answers("done", "done", "done", "done")) {
		t.Errorf("without a bound nothing is kept from it: %q", out)
	}
}

func TestVolume_IsNotStartedWithABoundThatIsNone(t *testing.T) {
	at := filepath.Join(quotatest.Mount(t, "noquota"), "data")
	if trouble := sized(t, at, 4<<20).refused(); !strings.Contains(trouble.Text, "no project quotas") {
		t.Errorf("%+v", trouble)
	}
	if e, _ := sized(t, at, 0).finish(); e.Code != 0 {
		t.Errorf("without: %+v", e)
	}
}
