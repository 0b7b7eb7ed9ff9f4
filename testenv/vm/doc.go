// Package vm runs tests of the built-in runtime on another kernel than the
// machine's: Debian's own, with control groups of version 2 alone, in a virtual
// machine that is emulated where it cannot be accelerated. What a kernel of this
// machine does not have is so seen all the same.
package vm
