// Package nodes holds observed state and orders: what machines report and what
// they are told.
//
// A [Report] is all that one node knows of itself; a [Snapshot] is the newest
// report of each, with how long ago it came. An [Assignment] is all that one
// node should run, as [Order]s. Orders are explicit in both directions: an
// instance is stopped because an order says so and why, never because it is
// missing from a list (I4).
//
// Like schema, the package is pure values; slices are sorted as their fields
// say, so that equal states are equal bytes.
package nodes
