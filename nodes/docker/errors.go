package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/client"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
)

// explain makes a failure of an error that a person can act on, whatever the
// call was. What the caller ended himself stays his own.
func (r *Runtime) explain(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errHangs):
		return fail(nodes.EngineDown, err, "%s: %v: look at its log, or restart it", doing, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", doing, err)
	case isDown(err):
		return fail(nodes.EngineDown, err, "%s: no docker engine answers at %s: start it", doing, r.api.DaemonHost())
	case diskIsFull(err):
		return fail(nodes.DiskFull, err, "%s: the engine's disk is full: %v", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func fail(code nodes.FailureCode, err error, format string, args ...any) *agent.Error {
	return &agent.Error{Failure: nodes.Failure{Code: code, Text: fmt.Sprintf(format, args...)}, Err: err}
}

// isDown is whether the connection, not the Engine, gave the error.
func isDown(err error) bool {
	if client.IsErrConnectionFailed(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	_, ok := errors.AsType[*net.OpError](err)
	return ok
}

func diskIsFull(err error) bool { return says(err, "no space left on device", "disk quota exceeded") }

// says is whether the Engine's words hold one of these. They are all that it
// gives: most causes share one status code.
func says(err error, any ...string) bool {
	text := strings.ToLower(err.Error())
	for _, s := range any {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// explainStart knows what goes wrong with a container's start.
func (r *Runtime) explainStart(c agent.Container, err error) error {
	doing := "starting " + c.ID
	if e, ok := errors.AsType[*agent.Error](r.explain(doing, err)); ok {
		return e
	}
	switch port := portInUse(c, err); {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", doing, err)
	case port != 0:
		e := fail(nodes.PortInUse, err, "port %d of this node is in use by something else", port)
		e.Failure.Port = port
		return e
	case says(err, "bind source path does not exist"):
		return fail(nodes.VolumeUnavailable, err, "the folder of a host volume is not there on the engine's machine: %s", words(err))
	case errdefs.IsNotFound(err) && says(err, "no such image"):
		return fail(nodes.ImageNotFound, err, "the image %s is not on this node", c.Workload.Image)
	case says(err, "executable file not found", "exec format error") || says(err, "exec:") && says(err, "no such file", "permission denied"):
		return fail(nodes.CommandNotFound, err, "the command could not be run: %s", words(err))
	}
	return fail(nodes.StartFailed, err, "the engine could not start it: %s", words(err))
}

// portInUse is the port of c that was taken; zero if that was not the trouble.
// An Engine has a way of its own to say it in each version; all name the port.
func portInUse(c agent.Container, err error) int {
	if !says(err, "port is already allocated", "address already in use") {
		return 0
	}
	for _, name := range slices.Sorted(maps.Keys(c.Ports)) {
		if regexp.MustCompile(`:` + strconv.Itoa(c.Ports[name]) + `\b`).MatchString(err.Error()) {
			return c.Ports[name]
		}
	}
	return 0
}

// explainPull knows what goes wrong with a pull. A registry's refusal reaches us
// as status 500 of the Engine, so its words decide.
func (r *Runtime) explainPull(image string, err error) error {
	doing := "pulling " + image
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*agent.Error](r.explain(doing, err)); ok {
		return e
	}
	host, path := registryAndPath(image)
	said := errors.New(strings.ReplaceAll(err.Error(), path, "")) // an image may be named after a failure
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", doing, err)
	case says(said, "no basic auth", "authorization failed") && !says(said, "insufficient_scope"):
		// Engines with containerd's image store say both: that it may not exist,
		// and that it was the password.
		return unauthorized(err, host)
	case says(said, "does not exist", "manifest unknown", "name unknown", "repository name not known"):
		return fail(nodes.ImageNotFound, err, "there is no image %s: check its name and tag, and `docker login %s` if it is private", image, host)
	case says(said, "unauthorized", " 401", "no basic auth", "access denied", "denied:", "is denied", "authentication required"):
		return unauthorized(err, host)
	case says(said, unreachable...):
		return fail(nodes.RegistryUnreachable, err, "the registry %s does not answer: %s", host, words(err))
	case says(said, "not found"):
		return fail(nodes.ImageNotFound, err, "there is no image %s: check its name and tag", image)
	}
	return fail(nodes.PullFailed, err, "%s: %s", doing, words(err))
}

// unreachable is what is said of a registry that is down, ill, or no registry.
var unreachable = []string{
	"connection refused", "no such host", "i/o timeout", "client.timeout", "handshake timeout", "unreachable", "no route to host",
	"reset by peer", "server misbehaving", ": eof", "tls:", "x509:", "deadline exceeded",
	" 500 ", " 502 ", " 503 ", " 504 ", "internal server error", "bad gateway", "service unavailable", "gateway timeout",
}

func registryAndPath(image string) (host, path string) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return image, image
	}
	return reference.Domain(named), reference.Path(named)
}

// words are the Engine's own, without the client's preamble.
func words(err error) string { return strings.TrimPrefix(err.Error(), "Error response from daemon: ") }

func unauthorized(err error, host string) error {
	return fail(nodes.ImageUnauthorized, err, "the registry %s wants another password, or one at all: run `docker login %s` on the node", host, host)
}
