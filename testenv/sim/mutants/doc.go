// Package mutants plants bugs that a cluster orchestrator could have into the
// product, one at a time, and has the simulator find them. It is the simulator's own
// test: what it does not find here it would not find anywhere.
//
// A mutant is an edit of a source file that never reaches the tree: the player is
// built with it as an overlay. make mutants builds and plays them all, and prints how
// many seeds each took.
package mutants
