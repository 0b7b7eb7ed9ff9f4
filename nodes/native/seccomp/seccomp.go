// Package seccomp is the filter that every container of the built-in runtime
// runs under: Docker's default profile for the container's capabilities and this
// machine's own architecture, as the kernel takes it.
//
// It is compiled when the profile changes and not when a container starts:
// package compile makes the files that are embedded here, and its test says
// whether they are what the profile in go.mod says (go test -update writes them).
// Neither needs libseccomp.
package seccomp

// Filter is the program: an array of struct sock_filter. Empty is an
// architecture that has none, where nothing may be run.
func Filter() []byte { return filter }
