// Package schema holds desired state: what a commit asks for, as plain values.
//
// A [Spec] is everything one revision of the repository wants; it lists
// [Workload]s, sorted by name. The CUE files embedded here ([CUE]) are the
// contract with users: every field with its meaning, its bounds and its default.
// The Go types mirror them field by field, and a test in schema/load holds the
// two together, so that neither can drift. [Workload.Check] adds the rules that
// relate two fields.
//
// The package is a leaf: it imports nothing of this module, reads no clock and
// starts nothing. Loading files is schema/load's work.
package schema

import "embed"

// CUE is the schema that users write against, as the loader unifies it in.
//
//go:embed *.cue
var CUE embed.FS
