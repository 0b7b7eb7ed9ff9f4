// Package archive is a node's store of application archives: it fetches them by
// HTTP, verifies them, and unpacks each once into a tree that containers lie over.
//
// What it promises:
//
//   - Nothing is unpacked before it is known to be what its sha256 says.
//   - A tree is there whole or not at all, whenever the process or the machine
//     dies: it is made under tmp, brought to the disk, and renamed.
//   - An archive is hostile until it is unpacked: no entry is written outside its
//     folder, by whatever name or link; none is a device; none has more rights than
//     to be read and run; bytes, entries, depth and the ratio of its compression
//     are bounded. One bad entry refuses the whole.
//   - Clearing removes only what nobody uses; where that cannot be known, nothing.
//
// What an archive is, is told by what is in it. A JAR, which is a zip with a
// manifest, stays the file that it is unless it is to be unpacked.
//
// The store on disk, below a directory that only root may enter:
//
//	lock              one process at a time
//	trees/KEY/fs      a layer: the archive's files below the folder that they go to
//	trees/KEY/about.json  what it was made of; its mtime is its last use
//	partial/SHA256    downloads that were interrupted and go on where they stopped
//	tmp/              what is being made or removed
package archive
