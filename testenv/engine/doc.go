// Package engine runs a Docker Engine of a test's own, to be stopped, killed and
// frozen. It has a network namespace to itself, so that it meets no other
// Engine, and its state in a folder of the test.
package engine
