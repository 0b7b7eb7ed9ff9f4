package signed

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	made = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now  = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
)

// desk is a place where commits are signed, with the real git.
type desk struct {
	t   *testing.T
	dir string
}

func newDesk(t *testing.T, programs ...string) *desk {
	t.Helper()
	for _, p := range append(programs, "git") {
		if _, err := exec.LookPath(p); err != nil {
			t.Skip(err)
		}
	}
	d := &desk{t, t.TempDir()}
	d.git("init", "-q", "-b", "main", ".")
	return d
}

func (d *desk) run(name string, args ...string) string {
	d.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = d.dir
	stamp := made.Format(time.RFC3339)
	cmd.Env = append(os.Environ(), "HOME="+d.dir, "GNUPGHOME="+filepath.Join(d.dir, "gnupg"), "GIT_CONFIG_NOSYSTEM=1", "SSH_AUTH_SOCK=",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.org", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.org",
		"GIT_AUTHOR_DATE="+stamp, "GIT_COMMITTER_DATE="+stamp)
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok {
		d.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, exit.Stderr)
	}
	return string(out)
}

func (d *desk) git(args ...string) string {
	d.t.Helper()
	return d.run("git", args...)
}

// commit makes one, signed if key is not empty, and returns it as git stores it.
func (d *desk) commit(format, key string) []byte {
	d.t.Helper()
	args := []string{"commit", "-q", "--allow-empty", "-m", "a commit\n\ngpgsig is a word here\n"}
	if key != "" {
		args = append([]string{"-c", "gpg.format=" + format, "-c", "user.signingkey=" + key}, append(args, "-S")...)
	}
	d.git(args...)
	return []byte(d.git("cat-file", "commit", "HEAD"))
}

// key makes an ssh key and returns its file; file + ".pub" is the public half.
func (d *desk) key(name string, more ...string) string {
	d.t.Helper()
	file := filepath.Join(d.dir, name)
	d.run("ssh-keygen", append([]string{"-q", "-N", "", "-C", name, "-f", file}, more...)...)
	return file
}

func (d *desk) read(name string) string {
	d.t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func (d *desk) write(text string) (file string) {
	d.t.Helper()
	f, err := os.CreateTemp(d.dir, "keys")
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		d.t.Fatal(err)
	}
	return f.Name()
}

func (d *desk) keys(f Files) *Keys {
	d.t.Helper()
	k, err := f.Read()
	if err != nil {
		d.t.Fatal(err)
	}
	return k
}

// wants checks a commit at the two times that the tests use.
func (d *desk) wants(k *Keys, raw []byte, signer, kind string, words ...string) {
	d.t.Helper()
	got, err := k.Check(raw, made, now)
	if got != signer {
		d.t.Errorf("signer %q, want %q (%v)", got, signer, err)
	}
	r, refused := IsRefusal(err)
	if kind == "" {
		if err != nil {
			d.t.Error(err)
		}
		return
	}
	if !refused || r.Kind != kind {
		d.t.Fatalf("%v, want a refusal as %s", err, kind)
	}
	d.t.Logf("%s: the commit %s", r.Kind, r.Text)
	for _, w := range words {
		if !strings.Contains(r.Text, w) {
			d.t.Errorf("%q lacks %q", r.Text, w)
		}
	}
}
