package images

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// documentBytes bounds a manifest or a config: registries hold 4 MiB to be the
// most that a manifest may have.
const documentBytes = 4 << 20

// nesting bounds lists of lists of manifests.
const nesting = 3

// manifest is one image for this platform.
type manifest struct {
	digest string
	// aliases are the digests of the lists that led to it.
	aliases []string
	config  v1.Descriptor
	layers  []v1.Descriptor
}

var manifestTypes = []string{
	string(types.OCIManifestSchema1), string(types.DockerManifestSchema2),
	string(types.OCIImageIndex), string(types.DockerManifestList),
}

// manifest finds this platform's in what the reference names.
func (p *pull) manifest(ctx context.Context) (*manifest, error) {
	id, m := p.ref.parsed.Identifier(), &manifest{}
	for range nesting {
		text, digest, err := p.document(ctx, "manifests", id, -1)
		if err != nil {
			return nil, err
		}
		next, err := m.read(text, p.s.platform)
		if err != nil {
			return nil, err
		}
		if next == "" {
			m.digest = digest
			return m, p.s.checkManifest(m)
		}
		m.aliases = append(m.aliases, digest)
		id = next
	}
	return nil, wrong("it is a list of lists of manifests, %d deep", nesting)
}

// document fetches a small thing whole and verifies it: against the ID where it
// is a digest, and its size where that is known (not negative).
func (p *pull) document(ctx context.Context, kind, id string, size int64) (text []byte, digest string, err error) {
	header := http.Header{}
	if kind == "manifests" {
		header.Set("Accept", strings.Join(manifestTypes, ", "))
	}
	err = p.try(ctx, func(ctx context.Context, o *source) (bool, error) {
		resp, err := o.get(ctx, kind, id, header)
		if err != nil {
			return false, err
		}
		defer resp.Body.Close()
		if text, err = io.ReadAll(io.LimitReader(resp.Body, documentBytes+1)); err != nil {
			return false, err
		}
		digest = fmt.Sprintf("sha256:%x", sha256.Sum256(text))
		switch {
		case len(text) > documentBytes:
			return false, wrong("its %s %s has more than %d bytes", strings.TrimSuffix(kind, "s"), id, documentBytes)
		case resp.ContentLength >= 0 && int64(len(text)) < resp.ContentLength || int64(len(text)) < size:
			return false, io.ErrUnexpectedEOF
		case isDigest(id) && digest != id:
			return false, wrong("the registry sent %s for %s", digest, id)
		}
		return true, nil
	})
	return text, digest, err
}

// read takes an image's manifest into m, or names the one to read next.
func (m *manifest) read(text []byte, platform v1.Platform) (next string, err error) {
	var kind struct {
		MediaType types.MediaType   `json:"mediaType"`
		Manifests []json.RawMessage `json:"manifests"`
		Schema    int               `json:"schemaVersion"`
	}
	if err := json.Unmarshal(text, &kind); err != nil {
		return "", wrong("its manifest is none: %v", err)
	}
	if kind.MediaType.IsIndex() || kind.MediaType == "" && kind.Manifests != nil {
		return choose(text, platform)
	}
	if kind.Schema != 2 {
		return "", wrong("its manifest is of schema %d, which is older than Docker 1.10: push it again", kind.Schema)
	}
	image, err := v1.ParseManifest(bytes.NewReader(text))
	if err != nil {
		return "", wrong("its manifest is none: %v", err)
	}
	if !image.Config.MediaType.IsConfig() {
		return "", wrong("it is no container image but %s", image.Config.MediaType)
	}
	m.config, m.layers = image.Config, image.Layers
	return "", nil
}

// choose is the digest of the list's best entry for the platform.
func choose(text []byte, want v1.Platform) (string, error) {
	list, err := v1.ParseIndexManifest(bytes.NewReader(text))
	if err != nil {
		return "", wrong("its list of manifests is none: %v", err)
	}
	best, rank := "", 0
	var others []string
	for _, d := range list.Manifests {
		if d.Platform == nil && best == "" {
			best = d.Digest.String() // its config will tell
		}
		if d.Platform == nil || d.Platform.OS == "unknown" { // attestations
			continue
		}
		if r := fits(*d.Platform, want); r > rank {
			best, rank = d.Digest.String(), r
		}
		others = append(others, d.Platform.String())
	}
	if best == "" && len(others) == 0 {
		return "", wrong("its list of manifests is empty")
	}
	if best == "" {
		slices.Sort(others)
		return "", wrong("it is not made for %s but for %s", want, strings.Join(slices.Compact(others), ", "))
	}
	return best, nil
}

// fits is how well an image for have runs on want; 0 is not at all. Without a
// wish for a variant the plain one is best, and arm64's only one is plain.
func fits(have, want v1.Platform) int {
	plain := func(p v1.Platform) string {
		if p.Architecture == "arm64" && p.Variant == "v8" {
			return ""
		}
		return p.Variant
	}
	switch {
	case have.OS != want.OS || have.Architecture != want.Architecture:
		return 0
	case plain(have) == plain(want):
		return 3
	case plain(have) == "":
		return 2
	case plain(want) == "" && want.Architecture == "arm":
		return 1 // arm without more is whatever there is
	}
	return 0
}

func (s *Store) checkManifest(m *manifest) error {
	if n := len(m.layers); n > s.cfg.Limits.Layers {
		return wrong("it has %d layers; %d is the most", n, s.cfg.Limits.Layers)
	}
	for _, l := range append([]v1.Descriptor{m.config}, m.layers...) {
		if !isDigest(l.Digest.String()) || l.Size < 0 {
			return wrong("its manifest names a part %q of %d bytes", l.Digest, l.Size)
		}
	}
	for _, l := range m.layers {
		if !l.MediaType.IsLayer() {
			return wrong("its layer %s is of a kind that is not known here: %s", l.Digest, l.MediaType)
		}
		if l.Size > s.cfg.Limits.LayerBytes {
			return wrong("its layer %s has %d bytes; %d is the most", l.Digest, l.Size, s.cfg.Limits.LayerBytes)
		}
	}
	return nil
}

// config fetches the image's config and holds it against the manifest.
func (p *pull) config(ctx context.Context, m *manifest) (*v1.ConfigFile, error) {
	text, _, err := p.document(ctx, "blobs", m.config.Digest.String(), m.config.Size)
	if err != nil {
		return nil, err
	}
	c, err := v1.ParseConfigFile(bytes.NewReader(text))
	if err != nil {
		return nil, wrong("its config is none: %v", err)
	}
	have := v1.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant}
	if want := p.s.platform; c.Architecture != "" && (c.OS != want.OS || c.Architecture != want.Architecture) {
		return nil, wrong("it is not made for %s but for %s", want, have)
	}
	if len(c.RootFS.DiffIDs) != len(m.layers) {
		return nil, wrong("its config names %d layers, its manifest %d", len(c.RootFS.DiffIDs), len(m.layers))
	}
	for _, l := range c.RootFS.DiffIDs {
		if !isDigest(l.String()) {
			return nil, wrong("its config names a layer %q", l)
		}
	}
	return c, nil
}
