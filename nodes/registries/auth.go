package registries

import (
	"fmt"
	"os"

	"github.com/docker/cli/cli/config"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// Keychain has the passwords of a docker config file; "" is Docker's own
// (DOCKER_CONFIG or ~/.docker/config.json). Credential helpers that it names are
// asked.
func Keychain(file string) authn.Keychain {
	if file == "" {
		return authn.DefaultKeychain
	}
	return authFile(file)
}

// authFile is read each time, so that a new password counts at once.
type authFile string

// Resolve is for "host/repo" and "host", as with Docker's own file.
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
