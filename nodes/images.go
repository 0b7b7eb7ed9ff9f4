package nodes

import "time"

// Image is one that a node keeps, or an app archive, which stands beside them.
type Image struct {
	// Digest is the manifest's, "sha256:…"; an archive's is of the file as it
	// travels.
	Digest string `json:"digest"`
	// Names are its references, by tag and by digest, sorted; none where others
	// took them. An archive's is its URL.
	Names []string `json:"names"`
	// Archive is an archive's format, "tar.gz" or "jar"; empty for an image.
	Archive string `json:"archive,omitempty"`
	// Size is what its layers hold unpacked, in bytes, those too that it shares
	// with others.
	Size int64 `json:"size"`
	// Created is when it was built, as it says; Used is when it was last asked
	// for, zero where the engine does not tell.
	Created time.Time `json:"created,omitzero"`
	Used    time.Time `json:"used,omitzero"`
	// InUse is whether a container of the node was made from it, running or not.
	InUse bool `json:"inUse"`
}

// Pruned is what a clearing removed from a node.
type Pruned struct {
	// Images are digests, in the order of removal; those of archives come last.
	Images []string `json:"images"`
	// Layers is how many went, Bytes what they held.
	Layers int   `json:"layers"`
	Bytes  int64 `json:"bytes"`
}
