package loop_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/testenv/memory"
)

func operate(t *testing.T, c *memory.Cluster, w reconciler.Wish) error {
	_, err := c.Loop().Operate(t.Context(), w)
	return err
}

// told is whether the record has an event of an operator's with these words.
func told(c *memory.Cluster, actor string, words ...string) bool {
	events, _ := c.Loop().Events(0)
	return slices.ContainsFunc(events, func(e status.Event) bool {
		return e.Actor == actor && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(e.Text, w) })
	})
}

// A drain goes on with the next server, ends, is in the record with who and why
// (I39), and a second operator is told of the first.
func TestOperate_ADrainOutlivesTheServer(t *testing.T) {
	inCluster(t, func(t *testing.T, c *memory.Cluster) {
		deployed(t, c)
		if err := operate(t, c, reconciler.Wish{Verb: reconciler.DrainNode, Of: "n1", Actor: "ann", Reason: "disk"}); err != nil {
			t.Fatal(err)
		}
		if !told(c, "ann", "n1 is drained by ann", "disk") {
			t.Error("the record does not say who drains n1, and why")
		}
		c.StopServer()
		c.StartServer()
		s := c.Await(5*time.Minute, "drained", nodeState("n1", "drained"))
		if s.Workloads[0].Healthy != 3 || slices.ContainsFunc(s.Workloads[0].Slots, func(x status.Slot) bool { return x.Node == "n1" }) {
			t.Error(memory.Brief(s))
		}
		if !told(c, "", "n1 is drained: nothing is left on it") {
			t.Error("the end of the drain is not in the record")
		}
		err := operate(t, c, reconciler.Wish{Verb: reconciler.DrainNode, Of: "n1", Actor: "bob"})
		if !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), "by ann: disk") {
			t.Errorf("a second operator: %v", err)
		}
		if err := operate(t, c, reconciler.Wish{Verb: reconciler.CordonNode, Of: "n9", Actor: "bob"}); !errdefs.IsNotFound(err) {
			t.Errorf("a node that is not there: %v", err)
		}
		if err := operate(t, c, reconciler.Wish{Verb: reconciler.UncordonNode, Of: "n1", Actor: "bob"}); err != nil {
			t.Fatal(err)
		}
		c.Await(time.Minute, "n1 ready", nodeState("n1", "ready"))
	})
}
