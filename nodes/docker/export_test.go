package docker

import (
	"github.com/moby/moby/client"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/schema"
)

// What the tests of the package's words see of it.

func (r *Runtime) Spec(c agent.Container) (client.ContainerCreateOptions, error) { return r.spec(c) }
func (r *Runtime) ContainerName(id string) string                                { return r.containerName(id) }
func (r *Runtime) VolumeName(s schema.Slot, name string) string                  { return r.volumeName(s, name) }
func (r *Runtime) ExplainStart(c agent.Container, err error) error               { return r.explainStart(c, err) }
func (r *Runtime) ExplainPull(image string, err error) error                     { return r.explainPull(image, err) }
