//go:build race

package evaluate

// shadow is what the race detector keeps beside a program's own memory: under it
// there is no limit worth the name.
const shadow = 1 << 46
