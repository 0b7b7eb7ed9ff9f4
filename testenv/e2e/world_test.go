package e2e

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// world is what runs containers on this machine. A test asks it itself: what
// the code under test says of its containers is not taken for the truth.
type world interface {
	// runtime is its name for --runtime.
	runtime() string
	// missing is why this machine has none; "" where it has.
	missing() string
	// containers are a cluster's: the identity to the slot and what tells this
	// life from a former one.
	containers(t *testing.T, d *dev) map[string]string
	// follow tells r of all that happens to a cluster's containers until t ends.
	follow(t *testing.T, d *dev, r *recorder)
	// sweep removes what the agents of a site have left; they are dead.
	sweep(s *site)
	// leaves wants nothing of a cluster to be left on this machine, of all that
	// was there when it was asked.
	leaves(t *testing.T, d *dev) (nothing func())
}

// onEach runs a test on every runtime, side by side: most of the time it waits.
func onEach(t *testing.T, test func(*testing.T, world)) {
	t.Helper()
	for _, on := range []world{dockerEngine{}, builtIn{}} {
		t.Run(on.runtime(), func(t *testing.T) {
			t.Parallel()
			test(t, on)
		})
	}
}

// dockerEngine is the machine's Docker Engine, by its own command.
type dockerEngine struct{}

func (dockerEngine) runtime() string { return "docker" }

func (dockerEngine) missing() string {
	if out, err := exec.Command("docker", "version").CombinedOutput(); err != nil {
		return "no Docker Engine answers: " + strings.TrimSpace(string(out))
	}
	return ""
}

func (dockerEngine) containers(t *testing.T, d *dev) map[string]string {
	t.Helper()
	found := map[string]string{}
	ids := strings.Fields(run(t, "docker", "ps", "-aq", "--no-trunc", "--filter", "label=io.bayplan.cluster="+d.clusterID()))
	for _, id := range ids {
		var out bytes.Buffer
		cmd := exec.Command("docker", "inspect", "--format", `{{index .Config.Labels "io.bayplan.slot"}} {{.State.StartedAt}}`, id)
		cmd.Stdout = &out
		if cmd.Run() == nil { // else it went meanwhile
			found[id] = strings.TrimSpace(out.String())
		}
	}
	return found
}

func (dockerEngine) sweep(s *site) {
	for id := range s.containers() {
		run(s.t, "docker", "rm", "-f", id)
	}
}

func (on dockerEngine) leaves(t *testing.T, d *dev) func() {
	return func() {
		t.Helper()
		if left := on.containers(t, d); len(left) > 0 {
			t.Errorf("containers left: %v", left)
		}
	}
}
