//go:build !race

package evaluate

// shadow is what a build for finding data races keeps beside its own memory.
const shadow = 0
