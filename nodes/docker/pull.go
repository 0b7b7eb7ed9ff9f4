package docker

import (
	"context"

	"github.com/containerd/errdefs"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// Pull asks the Engine first: a present image needs no registry.
func (r *Runtime) Pull(ctx context.Context, image string) error {
	if a, ok := schema.ParseArtifactRef(image); ok {
		return fail(nodes.PullFailed, nil, "the archive %s: a Docker Engine runs images only; archives are for nodes with the built-in runtime", a.URL)
	}
	err := r.attended(ctx, func(ctx context.Context) error { return r.pull(ctx, image) })
	return r.explainPull(image, err)
}

func (r *Runtime) pull(ctx context.Context, image string) error {
	ref, err := plainReference(image)
	if err != nil {
		return err
	}
	_, err = r.api.ImageInspect(ctx, ref)
	if !errdefs.IsNotFound(err) {
		return err
	}
	stream, err := r.api.ImagePull(ctx, ref, client.ImagePullOptions{RegistryAuth: r.password(ref)})
	if err != nil {
		return err
	}
	return stream.Wait(ctx) // the stream carries the errors of the pull itself
}

// password is what the Engine shows to the registry; "" is nothing. A config
// file that cannot be read must not keep public images away, so it is only told.
func (r *Runtime) password(image string) string {
	ref, err := name.ParseReference(image)
	if err != nil {
		return ""
	}
	host := ref.Context().Registry
	auth, err := r.cfg.Keychain.Resolve(host)
	if err == nil && auth == authn.Anonymous {
		return ""
	}
	var known *authn.AuthConfig
	if err == nil {
		known, err = auth.Authorization()
	}
	if err != nil {
		r.cfg.Log.Warn("no password for the registry", "registry", host.Name(), "err", err)
		return ""
	}
	text, err := authconfig.Encode(registry.AuthConfig{
		Username: known.Username, Password: known.Password, Auth: known.Auth,
		IdentityToken: known.IdentityToken, RegistryToken: known.RegistryToken, ServerAddress: host.Name(),
	})
	if err != nil {
		r.cfg.Log.Warn("password for the registry", "registry", host.Name(), "err", err)
	}
	return text
}
