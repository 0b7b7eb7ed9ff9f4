package runtimetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bayplan/bayplan/nodes/agent"
)

// looks are about describing, listing and watching.
var looks = []contract{
	{"Info_SaysWhatTheEngineIs", infoSays},
	{"List_IsSortedAndHasTheEnded", listSorted},
	{"List_OfANewProcessAdopts", listAdopts},
	{"List_OfAnotherNodeIsItsOwn", listOtherNode},
	{"List_HonoursItsContext", listCancelled},
	{"Watch_TellsEachChange", watchTells},
	{"Watch_AgainTellsToLook", watchAgain},
}

func infoSays(r *rig) {
	i, err := r.Info(r.ctx)
	r.must(err)
	if i.Name == "" || i.Version == "" || i.OS == "" || i.Arch == "" || i.Capacity.CPU <= 0 || i.Capacity.Memory <= 0 {
		r.Errorf("it says %+v", i)
	}
}

func listSorted(r *rig) {
	var want []string
	for i, name := range []string{"b", "c", "a"} {
		c := r.container(name, i, "sleep")
		if name == "c" {
			c = r.container(name, i, "exit", "0")
		}
		r.run(c)
		want = append(want, c.ID)
	}
	slices.Sort(want)
	r.awaitExit(want[2])
	var got []string
	for _, s := range r.list() {
		got = append(got, s.ID)
	}
	if !slices.Equal(got, want) {
		r.Errorf("listed %q, want %q", got, want)
	}
}

func listAdopts(r *rig) {
	running, ended := r.container("web", 0, "sleep"), r.container("job", 0, "exit", "5")
	r.run(running)
	r.run(ended)
	r.awaitExit(ended.ID)
	before := r.list()
	after, err := r.Engine.Runtime(r.T, r.node).List(r.ctx)
	r.must(err)
	same := func(a, b agent.Status) bool {
		return a.ID == b.ID && a.Container == b.Container && a.State == b.State && a.Slot == b.Slot && a.Digest == b.Digest &&
			a.Started.Equal(b.Started) && a.ExitCode == b.ExitCode && a.Address == b.Address
	}
	if !slices.EqualFunc(before, after, same) {
		r.Errorf("a new process sees\n%+v\nof\n%+v", after, before)
	}
}

func listOtherNode(r *rig) {
	c := r.container("web", 0, "sleep")
	mine := r.run(c)
	other := r.Engine.Runtime(r.T, r.node+"-other")
	r.Cleanup(func() { clear(r.T, other) })
	r.must(other.Stop(r.ctx, c.ID, "SIGKILL", 0))
	r.must(other.Remove(r.ctx, c.ID))
	if all, err := other.List(r.ctx); err != nil || len(all) > 0 {
		r.Fatalf("the other node has %+v, %v", all, err)
	}
	theirs, err := other.Start(r.ctx, c)
	r.must(err)
	if theirs.Container == mine.Container {
		r.Fatal("two nodes share one container")
	}
	r.must(other.Stop(r.ctx, c.ID, "SIGKILL", 0))
	if s := r.find(c.ID); s == nil || s.State != agent.StateRunning || s.Container != mine.Container {
		r.Errorf("the other node's Stop touched it: %+v", s)
	}
}

func listCancelled(r *rig) {
	ctx, cancel := context.WithCancel(r.ctx)
	cancel()
	if _, err := r.List(ctx); !errors.Is(err, context.Canceled) {
		r.Errorf("a List that was cancelled returned %v", err)
	}
}

func watchTells(r *rig) {
	c := r.container("job", 0, "sleep")
	r.run(c)
	r.awaitWord(c.ID)
	r.drain()
	r.must(r.Stop(r.ctx, c.ID, "SIGKILL", 0))
	r.awaitWord(c.ID)
	r.drain()
	r.must(r.Remove(r.ctx, c.ID))
	r.awaitWord(c.ID)
}

// awaitWord waits until Watch names the container, or says that it does not know.
func (r *rig) awaitWord(id string) {
	r.Helper()
	for {
		if heard := r.hear(); heard == id || heard == "" {
			return
		} else if heard != "" {
			r.Errorf("Watch names %q, which is none of this node", heard)
		}
	}
}

func (r *rig) drain() {
	for len(r.heard) > 0 {
		<-r.heard
	}
}

func watchAgain(r *rig) {
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	first := make(chan string, 1)
	began := time.Now()
	err := r.Watch(ctx, func(id string) {
		select {
		case first <- id:
		default:
		}
		cancel()
	})
	if !errors.Is(err, context.Canceled) || time.Since(began) > patience/2 {
		r.Errorf("Watch ended with %v after %v", err, time.Since(began))
	}
	if id := <-first; id != "" {
		r.Errorf("the first word of a new Watch is %q, want \"\"", id)
	}
}
