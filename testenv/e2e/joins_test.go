package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
)

// A machine that may not join is told why, and the cluster goes on.
func TestE2E_JoinsThatAreRefused(t *testing.T) {
	s := build(t)
	s.up(1)
	s.put("shop/web", sleeper)
	s.wantOutcome(s.commit("what runs well"), reconciler.Applied)
	running := s.containers()

	used := s.shell("bayplan node token")
	s.refuses(used, "n2", "", 0)
	s.refuses(used, "n3", "token was used already at ", 1)

	short := s.shell("bayplan node token --ttl 1s")
	<-time.After(time.Second) // its life, which the server began to count before it answered
	s.refuses(short, "n3", "token has expired at ", 1)
	s.refuses(strings.Replace(used, "bayplan://", "bayplan://x", 1), "n3", "token is not whole", 1)
	s.refuses("", "n3", "bayplan node token", 1)

	other := build(t)
	other.startServer()
	t.Cleanup(other.sweep)
	s.refuses(strings.Replace(other.shell("bayplan node token"), other.listen, s.listen, 1), "n3", "another cluster", 1)
	if ready(s.status()) != 2 || len(s.status().Nodes) != 2 {
		t.Errorf("nodes: %+v", s.status().Nodes)
	}
	wantSame(t, "after the refused joins", running, s.containers())
	t.Run("certificate of another cluster", func(t *testing.T) { foreignCertificate(s.in(t), other.in(t)) })
	wantSame(t, "after the agent of another cluster", running, s.containers())
}

// refuses starts an agent with a line and wants it to end with this code and
// text; one with code 0 stays.
func (s *site) refuses(line, name, text string, code int) {
	s.t.Helper()
	p := spawn(s.root, name, s.joining(name, name, line))
	if code == 0 {
		s.agents[name] = p
		s.eventually(name+" that is ready", func() bool { return ready(s.status()) == len(s.agents) })
		return
	}
	if got := p.ends(); got != code {
		s.t.Errorf("%s: exit code %d, want %d", name, got, code)
	}
	p.wantSaid(text)
	if n := strings.Count(p.said(), "bayplan node token"); n > 1 || strings.Contains(text, "token") && n == 0 {
		s.t.Errorf("%s: the next step is named %d times in\n%s", name, n, p.said())
	}
	if lines := strings.Split(strings.TrimSpace(p.said()), "\n"); len(lines) > 2 {
		s.t.Errorf("%s: one cause and one next step, not\n%s", name, p.said())
	}
}

// joining is an agent with a folder and, if one is given, a join line.
func (s *site) joining(folder, name, line string) *exec.Cmd {
	args := []string{"agent", "--node", name, "--data-dir", filepath.Join(s.dir, folder), "--address", s.net + ".9", "--publish", s.net + ".9"}
	if line != "" {
		args = append(args, "--join", line)
	}
	return exec.Command(s.binary, args...)
}

// foreignCertificate starts the agent of one cluster against the other's server.
func foreignCertificate(s, other *site) {
	dir := filepath.Join(s.dir, "strayed")
	if out, err := exec.Command("cp", "-a", filepath.Join(s.dir, "n2"), dir).CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	s.agents["n2"].kill()
	p := spawn(s.t, "strayed", exec.Command(s.binary, "agent", "--node", "n2", "--data-dir", dir, "--server", other.listen,
		"--address", s.net+".9", "--publish", s.net+".9"))
	s.eventually("a word about the other cluster", func() bool { return strings.Contains(p.said(), "another cluster") || !p.running() })
	p.wantSaid("another cluster", other.listen)
	if n := len(other.status().Nodes); n != 0 {
		s.t.Errorf("the other cluster has %d nodes", n)
	}
}
