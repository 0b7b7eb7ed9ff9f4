package loop_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/testenv/memory"
)

func join(t *testing.T, c *memory.Cluster, node, key string) error {
	return c.Loop().Enrol(t.Context(), reconciler.Enrolment{Node: node, Key: key, From: "10.0.0.7:1", At: time.Now()})
}

// deployed puts three slots onto three nodes.
func deployed(t *testing.T, c *memory.Cluster) {
	first := c.Repo.Push("one", "", "shop/web.cue", web("r/web:1", ""))
	c.Await(time.Minute, "applied", ended(first, reconciler.Applied))
}

func nodeState(name, state string) func(*status.Status) bool {
	return func(s *status.Status) bool {
		for _, n := range s.Nodes {
			if n.Name == name {
				return n.State == state
			}
		}
		return state == ""
	}
}

func TestEnrol_ANameIsTakenOverOnlyFromWhoIsSilent(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		deployed(t, c)
		if err := join(t, c, "n9", "old"); err != nil {
			t.Fatal(err) // nobody has the name
		}
		err := join(t, c, "n1", "new")
		if !errors.Is(err, nodes.ErrNameHeld) || !strings.Contains(err.Error(), "choose another --node") {
			t.Errorf("a machine that no record knows is heard: %v", err)
		}
		c.Cut("n1")
		c.Await(time.Minute, "n1 unreachable", nodeState("n1", "unreachable"))
		if err := join(t, c, "n1", "old"); err != nil {
			t.Fatal(err)
		}
		c.Mend("n1")
		c.Await(time.Minute, "n1 ready", nodeState("n1", "ready"))
		if err := join(t, c, "n1", "new"); !errors.Is(err, nodes.ErrNameHeld) {
			t.Errorf("of a node that is heard: %v", err)
		}
		if err := join(t, c, "n1", "old"); err != nil {
			t.Errorf("the same machine: %v", err)
		}
		c.Cut("n1")
		c.StopServer()
		c.StartServer()
		c.Cut("n1")
		if err := join(t, c, "n1", "new"); !errors.Is(err, nodes.ErrNameHeld) {
			t.Errorf("within the grace after the server's start: %v", err)
		}
		time.Sleep(reconciler.UnreachableAfter)
		if err := join(t, c, "n1", "new"); err != nil {
			t.Errorf("of a node that is silent: %v", err)
		}
		c.StopServer()
		c.StartServer()
		c.Await(time.Minute, "a decision", nodeState("n1", "ready"))
		if c.Loop().Admit("n1", "old") == nil || c.Loop().Admit("n1", "new") != nil || c.Loop().Admit("n2", "any") != nil {
			t.Error("the former key is let in, or the newest kept out")
		}
	})
}

func TestRemoveNode_RefusesWhatIsInUse(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		deployed(t, c)
		err := c.Loop().RemoveNode(t.Context(), "n1", false, "ann")
		if !errdefs.IsFailedPrecondition(err) {
			t.Fatal(err)
		}
		for _, want := range []string{"answered less than 15s ago", "has work (1)", "bayplan node rm --force n1"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q says nothing of %q", err, want)
			}
		}
		if err := c.Loop().RemoveNode(t.Context(), "n7", true, "ann"); !errdefs.IsNotFound(err) {
			t.Errorf("one that is not there: %v", err)
		}
	})
}

// I39, I31: by force its work is wanted elsewhere at once, whatever is still
// heard of it, and its key counts no more, also for the next server.
func TestRemoveNode_ByForceGivesItsWorkToOthers(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		deployed(t, c)
		c.Cut("n1")
		c.Await(time.Minute, "n1 unreachable", nodeState("n1", "unreachable"))
		if err := join(t, c, "n1", "key"); err != nil {
			t.Fatal(err)
		}
		c.Mend("n1")
		c.Await(time.Minute, "n1 ready", nodeState("n1", "ready"))
		if err := c.Loop().RemoveNode(t.Context(), "n1", true, "ann"); err != nil {
			t.Fatal(err)
		}
		elsewhere := func(s *status.Status) bool { return nodeState("n1", "")(s) && s.Workloads[0].Healthy == 3 }
		c.Await(10*time.Second, "three healthy elsewhere", elsewhere)
		events, _ := c.Loop().Events(0)
		at := len(events) - 1
		for ; at >= 0 && events[at].Kind != "operator"; at-- {
		}
		if at < 0 || events[at].Actor != "ann" || events[at].Node != "n1" || events[at].Time.IsZero() ||
			!strings.Contains(events[at].Text, "node n1 removed by ann, though it answered less than 15s ago, has work (1)") {
			t.Errorf("the record: %+v", events)
		}
		time.Sleep(time.Minute) // in which the node is heard, for the memory's link knows no certificates
		c.Await(time.Second, "n1 no node", nodeState("n1", ""))
		c.StopServer()
		c.StartServer()
		c.Await(time.Minute, "n1 no node", func(s *status.Status) bool { return len(s.Nodes) == 2 && elsewhere(s) })
		if err := c.Loop().Admit("n1", "key"); err == nil || !strings.Contains(err.Error(), "was removed from the cluster") {
			t.Errorf("its certificate: %v", err)
		}
		if err := c.Loop().RemoveNode(t.Context(), "n1", true, "ann"); !errdefs.IsNotFound(err) {
			t.Errorf("removed twice: %v", err)
		}
		if err := join(t, c, "n1", "fresh"); err != nil || c.Loop().Admit("n1", "fresh") != nil {
			t.Errorf("joined anew: %v", err)
		}
	})
}
