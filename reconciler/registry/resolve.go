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
	"github.com/bayplan/bayplan/nodes/registries"
	"github.com/bayplan/bayplan/schema"
)

// Timeout bounds one question to a registry: long enough for a token exchange
// over a slow link, short enough that a registry that hangs is told of soon.
const Timeout = 10 * time.Second

// mirrorTime bounds one question to a mirror: it stands for its registry only as
// long as it is quick.
const mirrorTime = 3 * time.Second

// out is the way to them: one that leads elsewhere cannot have the server ask
// itself.
var out = registries.NewOutward(remote.DefaultTransport.(*http.Transport).Clone(), net.Dialer{Timeout: Timeout})

// Resolver asks registries. The zero value is ready.
type Resolver struct {
	// AuthFile is a docker config file with the registries' passwords; "" is
	// Docker's own (DOCKER_CONFIG or ~/.docker/config.json).
	AuthFile string
}

// Resolve is the image by digest ("repo@sha256:…"), or why there is none. The
// mirrors are asked before the registry, whose word counts where none of them
// has the image. Registries on loopback are spoken to in plain HTTP, as engines
// do.
func (r Resolver) Resolve(ctx context.Context, image string, by []schema.Registry) (string, *nodes.Failure) {
	ref, err := name.ParseReference(image)
	if err != nil {
		return "", failure(nodes.ImageNotFound, "image %q is no reference: %v", image, err)
	}
	places, err := registries.NewAccess(nil, nil, by).Sources(ref.Context())
	if err != nil {
		return "", failure(nodes.RegistryUnreachable, "image %s: %v", ref, err)
	}
	for i, place := range places {
		within := mirrorTime
		if i == len(places)-1 {
			within = Timeout
		}
		var digest string
		if digest, err = r.head(ctx, at(place, ref), within); err == nil {
			return ref.Context().Digest(digest).String(), nil
		}
	}
	return "", explain(ref, err)
}

// at is the same tag or digest at another place.
func at(place name.Repository, ref name.Reference) name.Reference {
	if _, ok := ref.(name.Digest); ok {
		return place.Digest(ref.Identifier())
	}
	return place.Tag(ref.Identifier())
}

func (r Resolver) head(ctx context.Context, ref name.Reference, within time.Duration) (digest string, err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	auth, err := registries.Keychain(r.AuthFile).Resolve(ref.Context())
	if err != nil {
		auth = authn.Anonymous // a file that cannot be read must not keep public images away
	}
	desc, err := remote.Head(ref, remote.WithContext(ctx), remote.WithAuth(auth), remote.WithTransport(out.To(ref.Context().RegistryStr())),
		remote.WithRetryBackoff(remote.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Steps: 2}))
	if err != nil {
		return "", err
	}
	return desc.Digest.String(), nil
}

// explain sorts an error by its HTTP status; one without is a registry that
// does not answer.
func explain(ref name.Reference, err error) *nodes.Failure {
	registry := ref.Context().RegistryStr()
	if inside, ok := errors.AsType[*registries.InsideError](err); ok {
		return failure(nodes.PullFailed, "image %s: registry %s cannot be used: %v", ref, registry, inside)
	}
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
