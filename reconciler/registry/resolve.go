// Package registry asks image registries which digest a tag stands for. It is
// the server's only dealing with images: nodes pull by the digest found here,
// so that what a commit meant does not change when a tag moves (I16).
package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/bayplan/bayplan/nodes"
)

// Timeout bounds one question to a registry: long enough for a token exchange
// over a slow link, short enough that a registry that hangs is told of soon.
const Timeout = 10 * time.Second

// Resolver asks registries with the credentials of the docker config file
// (DOCKER_CONFIG or ~/.docker/config.json). The zero value is ready.
type Resolver struct{}

// Resolve is the image by digest ("repo@sha256:…"), or why there is none.
// Registries on loopback are spoken to in plain HTTP, as engines do.
func (Resolver) Resolve(ctx context.Context, image string) (string, *nodes.Failure) {
	ref, err := name.ParseReference(image)
	if err != nil {
		return "", failure(nodes.ImageNotFound, "image %q is no reference: %v", image, err)
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	desc, err := remote.Head(ref, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithRetryBackoff(remote.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Steps: 2}))
	if err != nil {
		return "", explain(ref, err)
	}
	return ref.Context().Digest(desc.Digest.String()).String(), nil
}

// explain sorts an error by its HTTP status; one without is a registry that
// does not answer.
func explain(ref name.Reference, err error) *nodes.Failure {
	registry := ref.Context().RegistryStr()
	var answer *transport.Error
	if !errors.As(err, &answer) {
		return failure(nodes.RegistryUnreachable, "image %s: registry %s does not answer: %v", ref, registry, cause(err))
	}
	switch answer.StatusCode {
	case http.StatusNotFound:
		return failure(nodes.ImageNotFound, "image %s does not exist in registry %s", ref, registry)
	case http.StatusUnauthorized, http.StatusForbidden:
		return failure(nodes.ImageUnauthorized, "image %s: registry %s asks for credentials that the server does not have", ref, registry)
	}
	return failure(nodes.RegistryUnreachable, "image %s: registry %s answers with status %d", ref, registry, answer.StatusCode)
}

// cause is what the transport met, once: a registry is asked by https and by
// http, and both mostly fail alike.
func cause(err error) string {
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "it took too long"
	case errors.As(err, &op):
		return op.Error()
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err.Error()
}

func failure(code nodes.FailureCode, format string, args ...any) *nodes.Failure {
	return &nodes.Failure{Code: code, Text: fmt.Sprintf(format, args...), At: time.Now(), Count: 1}
}
