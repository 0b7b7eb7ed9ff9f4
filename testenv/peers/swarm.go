package main

import (
	"context"
	"fmt"
	"os"

	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/scheduler"
	"github.com/moby/swarmkit/v2/manager/state"
	"github.com/moby/swarmkit/v2/manager/state/store"

	bayplan "github.com/bayplan/bayplan/scheduler"
)

// swarm is how many tasks swarmkit's scheduler places a second of processor
// time: from its start over a store that holds all, without a log behind it,
// until every task has a node there.
func swarm(pool bayplan.Pool, requests []bayplan.Request) float64 {
	s := store.NewMemoryStore(nil)
	defer s.Close()
	fill(s, pool, requests)
	watch, cancel := state.Watch(s.WatchQueue(), api.EventUpdateTask{})
	defer cancel()
	return measure(len(requests), func() int {
		sched := scheduler.New(s)
		go func() {
			if err := sched.Run(context.Background()); err != nil {
				fmt.Fprintln(os.Stderr, "peers:", err)
			}
		}()
		defer sched.Stop()
		placed := 0
		for range requests {
			if e := (<-watch).(api.EventUpdateTask); e.Task.NodeID != "" {
				placed++
			}
		}
		return placed
	})
}

// fill stores the nodes and tasks, some at a time as the store allows.
func fill(s *store.MemoryStore, pool bayplan.Pool, requests []bayplan.Request) {
	const some = 100
	for i := 0; i < len(pool.Nodes); i += some {
		must(s.Update(func(tx store.Tx) error {
			for k := i; k < min(i+some, len(pool.Nodes)); k++ {
				must(store.CreateNode(tx, swarmNode(&pool.Nodes[k])))
			}
			return nil
		}))
	}
	for i := 0; i < len(requests); i += some {
		must(s.Update(func(tx store.Tx) error {
			for k := i; k < min(i+some, len(requests)); k++ {
				must(store.CreateTask(tx, swarmTask(&requests[k])))
			}
			return nil
		}))
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func swarmNode(n *bayplan.Node) *api.Node {
	free := n.Node.Allocatable.Minus(n.Reserved)
	return &api.Node{
		ID:     n.Node.Name,
		Spec:   api.NodeSpec{Annotations: api.Annotations{Name: n.Node.Name, Labels: n.Node.Attributes}},
		Status: api.NodeStatus{State: api.NodeStatus_READY},
		Description: &api.NodeDescription{Engine: &api.EngineDescription{},
			Resources: &api.Resources{NanoCPUs: int64(free.CPU) * 1e6, MemoryBytes: int64(free.Memory)}},
	}
}

func swarmTask(r *bayplan.Request) *api.Task {
	w := r.Workload
	t := &api.Task{
		ID: r.Slot.String(), ServiceID: w.Name, Slot: uint64(r.Slot.Index + 1), SpecVersion: &api.Version{Index: 1},
		DesiredState: api.TaskStateRunning, Status: api.TaskStatus{State: api.TaskStatePending},
		Spec: api.TaskSpec{
			Runtime: &api.TaskSpec_Container{Container: &api.ContainerSpec{}},
			Resources: &api.ResourceRequirements{Reservations: &api.Resources{
				NanoCPUs: int64(w.Resources.CPU) * 1e6, MemoryBytes: int64(w.Resources.Memory)}},
			Placement: &api.Placement{MaxReplicas: uint64(w.MaxPer["node"])},
		},
	}
	for _, c := range w.Constraints {
		t.Spec.Placement.Constraints = append(t.Spec.Placement.Constraints, "node.labels."+c.Attribute+"=="+c.Value)
	}
	for _, s := range w.Spread {
		t.Spec.Placement.Preferences = append(t.Spec.Placement.Preferences, &api.PlacementPreference{
			Preference: &api.PlacementPreference_Spread{Spread: &api.SpreadOver{SpreadDescriptor: "node.labels." + s.Over}}})
	}
	return t
}
