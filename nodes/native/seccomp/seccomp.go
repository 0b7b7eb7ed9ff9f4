// Package seccomp is the filter that every container of the built-in runtime
// runs under: Docker's default profile for the container's capabilities and this
// machine's own architecture, as the kernel takes it.
//
// It is compiled when the profile changes and not when a container starts:
// package compile makes the files that are embedded here, and its test says
// whether they are what the profile in go.mod says (go test -update writes them).
// Neither needs libseccomp.
package seccomp

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// Filter is the program: an array of struct sock_filter. Empty is an
// architecture that has none, where nothing may be run.
func Filter() []byte { return filter }

// Bounded is [Filter] for a container that must not get around the quota of a
// volume: it may not give files to another project, nor end that they inherit
// one. Who owns a file may do both; nobody of a container has a use for it.
func Bounded() []byte {
	if len(filter) == 0 {
		return nil
	}
	const load, equal, answer = 0x20, 0x15, 0x06 // of classic BPF
	const number, request = 0, 16 + 8            // where struct seccomp_data has them
	const refused = 0x00050000 | uint32(unix.EPERM)
	var b []byte
	add := func(op uint16, ifTrue, ifFalse byte, k uint32) {
		b = binary.LittleEndian.AppendUint16(b, op)
		b = binary.LittleEndian.AppendUint32(append(b, ifTrue, ifFalse), k)
	}
	add(load, 0, 0, number)
	add(equal, 0, 5, unix.SYS_IOCTL)
	add(load, 0, 0, request) // all that the kernel looks at are these four bytes
	add(equal, 2, 0, setAttributes)
	add(equal, 1, 0, setFlags)
	add(equal, 0, 1, setFlags32)
	add(answer, 0, 0, refused)
	return slices.Concat(b, filter)
}

// FS_IOC_FSSETXATTR and FS_IOC_SETFLAGS, the latter also as 32-bit programs say it.
const (
	setAttributes = 0x401c5820
	setFlags      = 0x40086602
	setFlags32    = 0x40046602
)
