package source

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// signer makes an ssh key with which the repository's commits are signed from
// now on, and returns its line of an allowed_signers file.
func (r *repo) signer(name string) (line string) {
	r.t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		r.t.Skip(err)
	}
	key := filepath.Join(r.t.TempDir(), name)
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key).CombinedOutput(); err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
	r.git("config", "gpg.format", "ssh")
	r.git("config", "user.signingkey", key)
	r.git("config", "commit.gpgsign", "true")
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		r.t.Fatal(err)
	}
	return name + " " + string(public)
}

// unsigned makes a commit that nobody signs.
func (r *repo) unsigned(name string) string {
	r.t.Helper()
	r.git("config", "commit.gpgsign", "false")
	defer r.git("config", "commit.gpgsign", "true")
	return r.commit(name, "unsigned", name)
}

func (w *watcher) verifies(from, to string, words ...string) {
	w.t.Helper()
	why, err := w.s.Verify(w.t.Context(), from, to)
	if err != nil || (len(words) == 0) != (why == "") {
		w.t.Fatalf("%q, %v, want %q", why, err, words)
	}
	for _, x := range words {
		if !strings.Contains(why, x) {
			w.t.Errorf("%q lacks %q", why, x)
		}
	}
}

func TestVerify_EachCommitSinceTheOneInForce(t *testing.T) {
	r := newRepo(t)
	lines := r.signer("ann@example.org")
	r.unsigned("a.cue")
	first := r.commit("b.cue", "1", "first")
	evil := r.unsigned("c.cue")
	second := r.commit("d.cue", "2", "second")
	r.git("checkout", "-q", "-b", "side", first)
	aside := r.unsigned("e.cue")
	r.git("checkout", "-q", "main")
	r.git("merge", "-q", "--no-edit", "side")
	merge := r.git("rev-parse", "HEAD")
	r.signer("bob@example.org")
	stranger := r.commit("f.cue", "3", "by a stranger")
	r.git("push", "-q", "origin", "main")
	cfg := r.config()
	cfg.Verify, cfg.Signers.AllowedSigners = VerifyRange, file(t, lines)
	w := watch(t, cfg)
	w.tip(stranger)

	w.verifies("", first) // what came before is vouched for by its signer
	w.verifies("", evil, "it is not signed (committed by Ann <ann@example.org>)")
	w.verifies(evil, second)
	w.verifies(first, second, "commit "+evil[:10]+", which it brings, is not signed")
	w.verifies(second, merge, "commit "+aside[:10])
	w.verifies(first, merge, "and so for 2 of the 4 commits since")
	w.verifies(aside, aside)
	w.verifies(merge, stranger, "it is signed with the key SHA256:", "no allowed signer's")
	w.verifies(merge, first) // back to one that is signed
	w.verifies(merge, evil, "not signed")
	w.verifies(strings.Repeat("1", 40), second, "no commit 1111111111 any more")

	w.s.cfg.Verify = VerifyTip
	w.verifies(first, merge)
	w.verifies(first, evil, "not signed")
	w.s.cfg.Verify = VerifyOff
	w.verifies(first, stranger)
}

// What is not here may be anybody's.
func TestVerify_HistoryThatIsCutOff(t *testing.T) {
	r := newRepo(t)
	lines := r.signer("ann")
	first := r.push("a.cue", "1", "first")
	cfg := r.config()
	cfg.Verify, cfg.Signers.AllowedSigners = VerifyRange, file(t, lines)
	w := watch(t, cfg)
	w.tip(first)
	between := r.commit("b.cue", "2", "between")
	second := r.push("a.cue", "3", "second")
	w.tip(second)
	w.verifies(first, second)
	if err := os.Remove(filepath.Join(w.s.current.Load().dir, "objects", between[:2], between[2:])); err != nil {
		t.Fatal(err)
	}
	w.verifies(first, second, "commit "+between[:10], "is not in the repository")
}

func TestVerify_TipComesAgainWhenTheKeysChange(t *testing.T) {
	r := newRepo(t)
	lines := r.signer("ann")
	first := r.push("a.cue", "1", "first")
	cfg := r.config()
	cfg.Verify, cfg.Signers.AllowedSigners = VerifyTip, file(t, "# nobody yet\n")
	w := watch(t, cfg)
	w.tip(first)
	w.verifies("", first, "no allowed signer's")
	if err := os.WriteFile(cfg.Signers.AllowedSigners, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	w.s.Poke()
	w.tip(first)
	w.verifies("", first)
	if err := os.WriteFile(cfg.Signers.AllowedSigners, []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if why, err := w.s.Verify(t.Context(), "", first); err == nil || why != "" || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a broken file: %q, %v", why, err)
	}
	w.s.Poke()
	w.tip(first)
	w.s.Poke()
	w.s.Poke()
	second := r.push("b.cue", "1", "second")
	w.tip(second) // and not the first once more
}

func TestVerify_KeysThatExpired(t *testing.T) {
	r := newRepo(t)
	name, key, _ := strings.Cut(r.signer("ann"), " ")
	first := r.push("a.cue", "1", "first")
	cfg := r.config()
	ago := time.Now().Add(-time.Hour).UTC().Format("200601021504Z")
	cfg.Verify, cfg.Signers.AllowedSigners = VerifyTip, file(t, name+` valid-before="`+ago+`" `+key)
	w := watch(t, cfg)
	w.tip(first)
	w.verifies("", first, "signed by ann with", "expired on")
}

func TestOpen_VerifyWantsKeys(t *testing.T) {
	for name, test := range map[string]struct {
		verify string
		keys   Signers
		want   string
	}{
		"nobody":  {VerifyTip, Signers{}, "name who may sign"},
		"a typo":  {"rang", Signers{AllowedSigners: "x"}, `"rang" is no way`},
		"missing": {VerifyRange, Signers{AllowedSigners: "/nonexistent"}, "/nonexistent"},
		"broken":  {VerifyRange, Signers{OpenPGP: file(t, "x")}, "armoured"},
	} {
		_, err := Open(Config{URL: t.TempDir(), Dir: t.TempDir(), Verify: test.verify, Signers: test.keys})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		if test.keys.AllowedSigners == "/nonexistent" && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkVerifyRange(b *testing.B) {
	r := newRepo(b)
	lines := r.signer("ann")
	first := r.commit("a.cue", "0", "first")
	last := first
	for range 100 {
		last = r.commit("a.cue", last, "next")
	}
	r.git("push", "-q", "origin", "HEAD:main")
	cfg := r.config()
	cfg.Verify, cfg.Signers.AllowedSigners = VerifyRange, filepath.Join(b.TempDir(), "allowed")
	if err := os.WriteFile(cfg.Signers.AllowedSigners, []byte(lines), 0o600); err != nil {
		b.Fatal(err)
	}
	w := watch(b, cfg)
	w.tip(last)
	for b.Loop() {
		w.verifies(first, last)
	}
}
