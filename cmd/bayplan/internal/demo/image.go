package demo

import (
	"bytes"
	"io"
	"runtime"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/demo/layer"
)

// Repository is the images' name without the registry.
const Repository = "hello"

// Versions are the tags: two good ones and one that never becomes healthy.
var Versions = []string{"1", "2", "bad"}

// images are the sample's, by version, of the layer's tar.gz.
func images(blob []byte) (map[string]v1.Image, error) {
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(blob)), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	base, err := mutate.AppendLayers(ociBase(), l)
	if err != nil {
		return nil, err
	}
	config, err := base.ConfigFile()
	if err != nil {
		return nil, err
	}
	made := make(map[string]v1.Image, len(Versions))
	for _, version := range Versions {
		if made[version], err = mutate.ConfigFile(base, configOf(config, version)); err != nil {
			return nil, err
		}
	}
	return made, nil
}

func ociBase() v1.Image {
	return mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
}

// configOf is what an engine does with an image of that version, on top of the
// base's layers.
func configOf(base *v1.ConfigFile, version string) *v1.ConfigFile {
	c := base.DeepCopy()
	c.OS, c.Architecture = "linux", runtime.GOARCH
	c.Created = v1.Time{Time: time.Unix(0, 0).UTC()}
	c.Config = v1.Config{
		Entrypoint:   []string{layer.Path},
		Env:          []string{"VERSION=" + version},
		User:         "65532:65532",
		ExposedPorts: map[string]struct{}{"8080/tcp": {}},
		Labels:       map[string]string{"org.opencontainers.image.version": version},
	}
	return c
}
