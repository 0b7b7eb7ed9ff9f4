package e2e

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
)

// Certificates that live for seconds are renewed over and over, and nobody but
// the log notices.
func TestE2E_CertificatesAreRenewed(t *testing.T) {
	s := build(t)
	s.flags = []string{"--node-life", "9s"}
	s.up(1)
	s.put("shop/web", sleeper)
	s.wantOutcome(s.commit("what runs well"), reconciler.Applied)
	running := s.containers()
	first := expires(t, filepath.Join(s.dir, "n1"))
	s.eventually("a certificate that was renewed more than once", func() bool {
		return expires(t, filepath.Join(s.dir, "n1")).After(first.Add(9 * time.Second))
	})
	if st := s.status(); ready(st) != 1 || healthy(st, "shop/web") != 1 {
		t.Errorf("nodes %+v, workloads %+v", st.Nodes, st.Workloads)
	}
	wantSame(t, "after renewals", running, s.containers())
	s.put("shop/more", sleeper)
	s.wantOutcome(s.commit("more, by the newest certificate"), reconciler.Applied)
	if said := s.agents["n1"].said(); strings.Contains(said, "level=WARN") || strings.Contains(said, "level=ERROR") {
		t.Errorf("the agent complained:\n%s", said)
	}
}

// expires is when the certificate in an agent's folder does.
func expires(t *testing.T, dir string) time.Time {
	t.Helper()
	var identity struct{ Certificate string }
	b, err := os.ReadFile(filepath.Join(dir, "identity.json"))
	if err == nil {
		err = json.Unmarshal(b, &identity)
	}
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(identity.Certificate))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert.NotAfter
}

// I31, I39: a node that is removed is one no more at once; what it was to run
// runs elsewhere. Its name is free then, and taken from nobody before.
func TestE2E_NodeRemoved(t *testing.T) {
	s := build(t)
	s.up(2)
	s.put("shop/web", sleeper+"\treplicas: 2\n")
	s.wantOutcome(s.commit("one on each node"), reconciler.Applied)
	s.refusesAt("n2-again", "n2", "another machine holds this name")

	said := s.wantExit(1, "bayplan node rm n2")
	wantText(t, "node rm", said, "answered less than 15s ago", "has work", "bayplan node rm --force n2")
	before := s.containers()
	s.shell("bayplan node rm --force n2")
	s.eventually("a word to the removed node", func() bool { return strings.Contains(s.agents["n2"].said(), "n2 was removed from the cluster") })
	s.eventually("two that run on the node that is left", func() bool {
		st := s.status()
		return len(st.Nodes) == 1 && healthy(st, "shop/web") == 2
	})
	wantText(t, "events", s.shell("bayplan events -o json"), `"node n2 removed by `, `"actor"`)
	for id, x := range before {
		if s.containers()[id] != x {
			t.Errorf("%s was touched", x)
		}
	}
	s.agents["n2"].kill()
	rename(t, filepath.Join(s.dir, "n2"), filepath.Join(s.dir, "n2.former"))
	s.startAgent("n2", 2)
	s.eventually("the node that joined anew", func() bool { return ready(s.status()) == 2 })
	s.eventually("an end of what it ran before", func() bool { return len(s.containers()) == 2 })
}

// refusesAt wants a machine with a folder of its own to be refused that name.
func (s *site) refusesAt(folder, name, text string) {
	s.t.Helper()
	p := spawn(s.root, folder, s.joining(folder, name, s.shell("bayplan node token")))
	if code := p.ends(); code != 1 {
		s.t.Errorf("%s: exit code %d, want 1", folder, code)
	}
	p.wantSaid(text, "choose another --node")
}

// onDisk is room for images beside the reserve that the built-in runtime keeps.
const onDisk = 300 << 20

// An agent whose own disk is full takes on nothing that it could not remember,
// says so, and goes on by itself once there is room; also one that starts so.
func TestE2E_AgentsFullDisk(t *testing.T) { onEach(t, agentsFullDisk) }

func agentsFullDisk(t *testing.T, on world) {
	s := buildOn(t, on)
	if os.Getuid() != 0 {
		t.Skip("not root: no disk of its own")
	}
	dir := filepath.Join(s.dir, "n1")
	tmpfs(t, dir, onDisk)
	s.up(1)
	s.put("shop/web", sleeper)
	s.wantOutcome(s.commit("what runs well"), reconciler.Applied)
	running := s.containers()

	filler := filepath.Join(dir, "filler")
	fill(t, filler, 0)
	s.put("shop/more", sleeper)
	commit := s.commit("more, with no room to remember it")
	s.wantTroubled("n1", "no space left on device")
	s.agents["n1"].kill()
	s.startAgent("n1", 1)
	s.wantTroubled("n1", "no space left on device")
	wantSame(t, "with a full disk", running, s.containers())

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s.wantOutcome(commit, reconciler.Applied)
	s.eventually("a node without trouble", func() bool { return ready(s.status()) == 1 })
	wantSame(t, "shop/web", running, s.of("shop/web"))
}
