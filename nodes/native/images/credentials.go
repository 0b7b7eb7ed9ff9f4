package images

import (
	"context"
	"fmt"
	"os"

	"github.com/docker/cli/cli/config"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
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
	auth, err := s.keychain().Resolve(repo)
	if err != nil {
		s.cfg.Log.Warn("no password for the registry", "registry", repo.RegistryStr(), "err", err)
		return authn.Anonymous, nil
	}
	return auth, nil
}

func (s *Store) keychain() authn.Keychain {
	if s.cfg.AuthFile == "" {
		return authn.DefaultKeychain
	}
	return authFile(s.cfg.AuthFile)
}

// authFile is a docker config file. It is read at each pull, so that a new
// password counts at once.
type authFile string

// Resolve is for "host/repo" and "host", as with Docker's own file; credential
// helpers that it names are asked.
func (path authFile) Resolve(target authn.Resource) (authn.Authenticator, error) {
	f, err := os.Open(string(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	file, err := config.LoadFromReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, key := range []string{target.String(), target.RegistryStr()} {
		if key == name.DefaultRegistry {
			key = authn.DefaultAuthKey
		}
		auth, err := file.GetAuthConfig(key)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if auth.Username+auth.Auth+auth.IdentityToken+auth.RegistryToken != "" {
			return authn.FromConfig(authn.AuthConfig{
				Username: auth.Username, Password: auth.Password, Auth: auth.Auth,
				IdentityToken: auth.IdentityToken, RegistryToken: auth.RegistryToken,
			}), nil
		}
	}
	return authn.Anonymous, nil
}
