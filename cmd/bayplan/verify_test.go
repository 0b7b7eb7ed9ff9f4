package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/server"
	"github.com/bayplan/bayplan/reconciler/source"
)

// signed has the site's commits signed from now on, and returns the line of an
// allowed_signers file.
func (s *site) signed(name string) string {
	s.t.Helper()
	key := filepath.Join(s.t.TempDir(), name)
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		s.t.Skip(err, string(out))
	}
	for name, value := range map[string]string{"gpg.format": "ssh", "user.signingkey": key, "commit.gpgsign": "true"} {
		s.git("config", name, value)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		s.t.Fatal(err)
	}
	return name + " " + string(public)
}

func (s *site) waits(commit string, code exit.Code, words ...string) {
	s.t.Helper()
	got, out, talk := s.bayplan("status", "--wait", "--revision", commit, "--timeout", "20s")
	if got != code {
		s.t.Fatalf("code %d, want %d: %s%s", got, code, out, talk)
	}
	for _, w := range words {
		if !strings.Contains(talk, w) {
			s.t.Errorf("%q lacks %q", talk, w)
		}
	}
}

// A stranger's commit is held with its signer, a known one's is applied, and an
// operator's word opens what the commit itself cannot.
func TestServer_OnlySignedCommitsAreApplied(t *testing.T) {
	s := newSiteWith(t, func(s *site, cfg *server.Config) {
		cfg.Source.Verify, cfg.Source.Signers.AllowedSigners = source.VerifyRange, filepath.Join(t.TempDir(), "allowed")
		if err := os.WriteFile(cfg.Source.Signers.AllowedSigners, []byte(s.signed("ann@example.org")), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	s.waits(s.git("rev-parse", "HEAD"), exit.Failure, "is Held: it is not signed (committed by Ann <ann@example.org>)", "bayplan approve ")
	s.waits(s.commit("shop/web.yaml", "workloads: {}\n"), exit.Fine)

	s.signed("eve@example.org")
	evil := s.commit("shop/web.yaml", "workloads: {}\n# "+source.VerifyOff)
	s.waits(evil, exit.Failure, evil[:10]+" is Held: it is signed with the key SHA256:", "which is no allowed signer's")
	if code, out, talk := s.bayplan("history"); code != exit.Fine || !strings.Contains(out, "no allowed signer's") {
		t.Errorf("history: code %d: %s%s", code, out, talk)
	}
	if code, _, talk := s.bayplan("approve", evil); code != exit.Fine {
		t.Fatalf("approve: code %d: %s", code, talk)
	}
	s.waits(evil, exit.Fine)
}
