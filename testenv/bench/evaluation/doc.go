// Package evaluation measures the way from a repository's ref to its evaluated
// Spec, over a repository of 10,000 workloads in 500 packages: `make bench` prints
// a table of what was promised and what was found.
//
// Workers are the real binary's; `cue vet -c` of the same version runs beside them
// over the same tree. Processor time is of this process and its workers together,
// since the machine's load is not ours. A figure over its limit is told, not
// failed.
package evaluation
