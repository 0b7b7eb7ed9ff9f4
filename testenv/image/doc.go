// Package image makes tiny images of our own programs, and images of what Debian's
// packages brought to this machine ([Debian]), and serves them to an
// engine from a registry on loopback, so that tests with containers need no
// network. The registry can be locked with a password, fail, and go away.
package image
