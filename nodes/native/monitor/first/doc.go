// Package first makes the program that a container begins with: a few hundred
// bytes of machine code that load the seccomp filter and become the program, or
// stay as the tiny first process above it.
//
// It is a program of its own, made at run time out of a piece of this binary,
// and not another mode of it, because it starts inside the container: it must
// need no loader and no library there, must not run anything of Go or libc with
// the container's environment before the filter holds, and as a process that
// stays for the container's whole life it should cost a page, not a runtime.
// There is also nothing in it worth overwriting through /proc/1/exe.
package first
