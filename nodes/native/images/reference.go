package images

import (
	"strings"

	docker "github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/bayplan/bayplan/nodes"
)

// reference is an image's name as its parts.
type reference struct {
	// given is what was asked for, as people know it.
	given string
	// digest is "sha256:…", or "" for a tag.
	digest string
	parsed name.Reference // nil for a bare digest
}

// parseReference takes "repo:tag", "repo@sha256:…", "repo:tag@sha256:…" (whose tag
// means nothing) and a bare digest, with Docker's defaults for what is left out.
func parseReference(ref string) (reference, error) {
	if isDigest(ref) {
		return reference{given: ref, digest: ref}, nil
	}
	// The one knows what a name may be, the other where it leads.
	_, err := docker.ParseDockerRef(ref)
	var parsed name.Reference
	if err == nil {
		parsed, err = name.ParseReference(ref)
	}
	if err != nil {
		return reference{}, fail(nodes.ImageNotFound, err, "image %q is no reference: %v", ref, err)
	}
	r := reference{given: ref, parsed: parsed}
	if d, ok := parsed.(name.Digest); ok {
		r.digest = d.DigestStr()
	}
	if r.digest != "" && !isDigest(r.digest) {
		return reference{}, fail(nodes.ImageNotFound, nil, "image %q: only sha256 digests are known here", ref)
	}
	return r, nil
}

func isDigest(s string) bool {
	h, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(h) == 64 && strings.Trim(h, "0123456789abcdef") == ""
}

// key is what the reference is found by. A digest means the same content in
// whichever repository.
func (r reference) key() string {
	if r.digest != "" {
		return r.digest
	}
	return r.parsed.Name()
}

// names are the keys under which its image is remembered; the last is for
// people.
func (r reference) names() []string {
	if r.digest == "" || r.parsed == nil {
		return []string{r.key()}
	}
	return []string{r.key(), r.parsed.Name()}
}

// registry is the host's name, for people.
func (r reference) registry() string { return r.parsed.Context().RegistryStr() }
