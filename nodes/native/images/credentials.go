package images

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/bayplan/bayplan/nodes/registries"
)

// credentials are what the registry of repo is shown. A config file that cannot
// be read must not keep public images away, so it is only told.
func (s *Store) credentials(ctx context.Context, repo name.Repository) (authn.Authenticator, error) {
	if s.cfg.Credentials != nil {
		c, err := s.cfg.Credentials(ctx, repo.RegistryStr())
		if err != nil {
			return nil, fmt.Errorf("password for the registry %s: %w", repo.RegistryStr(), err)
		}
		if c != (Credentials{}) {
			return authn.FromConfig(authn.AuthConfig{Username: c.User, Password: c.Password, RegistryToken: c.Token}), nil
		}
	}
	auth, err := registries.Keychain(s.cfg.AuthFile).Resolve(repo)
	if err != nil {
		s.cfg.Log.Warn("no password for the registry", "registry", repo.RegistryStr(), "err", err)
		return authn.Anonymous, nil
	}
	return auth, nil
}
