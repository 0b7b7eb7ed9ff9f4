// Package images is a node's store of container images: it pulls them from
// registries, unpacks each layer once, and clears what is no longer used. It
// needs no engine beside it.
//
// What it promises:
//
//   - Nothing is unpacked before its digest is known to be right, and nothing
//     counts as a layer before what came out of it has the digest that the
//     image's config names.
//   - A layer or an image is there whole or not at all, whenever the process or
//     the machine dies: both are made under tmp, brought to the disk, and
//     renamed. [Open] clears what was left.
//   - A layer is hostile until it is unpacked: no entry is written outside its
//     directory, none is a device, and size, number and depth are bounded.
//   - Images with a layer in common share it on disk, and what two callers want
//     at once is fetched once.
//   - Clearing removes only what nobody uses; where that cannot be known, it
//     removes nothing.
//
// The store on disk, all of it under a directory that only root may enter, since
// layers hold programs with the set-user-ID bit:
//
//	lock                one process at a time
//	refs.json           names ("host/repo:tag", "host/repo@sha256:…") and the image that each means
//	images/HEX.json     one image: its config and the layers it is made of; its mtime is its last use
//	layers/HEX/fs       one layer's files, whiteouts as overlayfs wants them; HEX is the diffID
//	layers/HEX/info.json
//	partial/            downloads that were interrupted and go on where they stopped
//	tmp/                what is being made or removed
package images
