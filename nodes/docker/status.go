package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/schema"
)

// statusOf reads a container of ours. It asks the Engine again only for the
// reason of an exit that may have been the container's own init.
func (r *Runtime) statusOf(ctx context.Context, box *container.InspectResponse) agent.Status {
	labels := box.Config.Labels
	s := agent.Status{
		ID: labels[labelID], Digest: schema.Digest(labels[labelDigest]), Container: box.ID,
		State: stateOf(box.State), Started: timeOf(box.State.StartedAt), Error: box.State.Error,
	}
	s.Slot, _ = schema.ParseSlot(labels[labelSlot])
	if json.Unmarshal([]byte(labels[labelPorts]), &s.Ports) != nil || s.Ports == nil {
		s.Ports = map[string]int{}
	}
	switch s.State {
	case agent.StateRunning:
		s.Address = addressOf(box)
	case agent.StateExited:
		s.Finished, s.ExitCode = timeOf(box.State.FinishedAt), box.State.ExitCode
		s.OOM = box.State.OOMKilled && s.ExitCode != 0
		if s.Error == "" && (s.ExitCode == notFound || s.ExitCode == notExecutable) {
			s.Error = r.initError(ctx, box.ID)
		}
	}
	return s
}

// How a shell, and an init, end when the command is not there or cannot be run.
const (
	notFound      = 127
	notExecutable = 126
)

// initFatal is the init's last word: "[FATAL tini (7)] exec /web failed: No such
// file or directory".
var initFatal = regexp.MustCompile(`\[FATAL tini \(\d+\)\] exec (.+) failed: (.+)`)

// initError is why the init could not run the command; "" if it could.
func (r *Runtime) initError(ctx context.Context, container string) string {
	var last bytes.Buffer
	if err := r.copyLogs(ctx, container, agent.LogOptions{Tail: 1}, &last); err != nil {
		return ""
	}
	m := initFatal.FindSubmatch(last.Bytes())
	if m == nil {
		return ""
	}
	return fmt.Sprintf("the command %s could not be run: %s", m[1], m[2])
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
