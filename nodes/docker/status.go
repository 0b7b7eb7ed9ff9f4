package docker

import (
	"context"
	"encoding/json"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/schema"
)

// statusOf reads a container of ours. It asks the Engine again only for the
// reason of an exit that may have been the container's own init.
func (r *Runtime) statusOf(ctx context.Context, box *container.InspectResponse) agent.Status {
	s := labelled(box.ID, box.Config.Labels)
	s.State, s.Started, s.Error = stateOf(box.State), timeOf(box.State.StartedAt), box.State.Error
	switch s.State {
	case agent.StateRunning:
		s.Address = addressOf(box)
	case agent.StateExited:
		s.Finished, s.ExitCode = timeOf(box.State.FinishedAt), box.State.ExitCode
		if s.Finished.Before(s.Started) {
			// The Engine notes the start after the fact: a program that ends at
			// once can end a moment before it.
			s.Finished = s.Started
		}
		s.OOM = s.ExitCode != 0 && (box.State.OOMKilled || r.unexplained(box) && s.Finished.Sub(s.Started) < unwatched)
		if s.Error == "" && (s.ExitCode == notFound || s.ExitCode == notExecutable) {
			s.Error = r.initError(ctx, box.ID)
		}
	}
	return s
}

// labelled is what a container's labels say of it; its state is not among that.
func labelled(id string, labels map[string]string) agent.Status {
	s := agent.Status{ID: labels[labelID], Digest: schema.Digest(labels[labelDigest]), Container: id}
	s.Slot, _ = schema.ParseSlot(labels[labelSlot])
	if json.Unmarshal([]byte(labels[labelPorts]), &s.Ports) != nil || s.Ports == nil {
		s.Ports = map[string]int{}
	}
	return s
}

// timeOf reads the Engine's time; its "never" is the year 1, which is Go's zero.
func timeOf(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// addressOf is the container's address in its network; each has one.
func addressOf(box *container.InspectResponse) string {
	if box.NetworkSettings == nil {
		return ""
	}
	for _, n := range box.NetworkSettings.Networks {
		if n.IPAddress.IsValid() {
			return n.IPAddress.String()
		}
	}
	return ""
}
