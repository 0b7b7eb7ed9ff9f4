//go:build linux && cgo && (amd64 || arm64)

package first

/*
#cgo CFLAGS: -O2 -fno-stack-protector
extern char __start_bayplan_first[], __stop_bayplan_first[], bayplan_first_entry[];
*/
import "C"

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"unsafe"
)

// base is where the program is loaded; any address that the kernel allows does.
const base = 0x400000

// header is an ELF file's, and that of its one segment.
type header struct {
	Ident               [16]byte
	Type, Machine       uint16
	Version             uint32
	Entry, Phoff, Shoff uint64
	Flags               uint32
	Ehsize, Phentsize   uint16
	Phnum, Shentsize    uint16
	Shnum, Shstrndx     uint16
	Segments            [2]segment
}

type segment struct {
	Type, Flags                                uint32
	Offset, Vaddr, Paddr, Filesz, Memsz, Align uint64
}

// Program is the program as an ELF file.
func Program() []byte {
	start := unsafe.Pointer(&C.__start_bayplan_first)
	size := uintptr(unsafe.Pointer(&C.__stop_bayplan_first)) - uintptr(start)
	entry := uintptr(unsafe.Pointer(&C.bayplan_first_entry)) - uintptr(start)
	code := unsafe.Slice((*byte)(start), size)

	h := head(uint64(size), uint64(entry))
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, &h)
	b.Write(code)
	return b.Bytes()
}

func head(size, entry uint64) header {
	const (
		executable, load, stack = 2, 1, 0x6474e551
		x, w, r                 = 1, 2, 4
		ehsize, phentsize       = 64, 56
		length                  = ehsize + 2*phentsize
	)
	machine := map[string]uint16{"amd64": 62, "arm64": 183}[runtime.GOARCH]
	return header{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, Type: executable, Machine: machine, Version: 1,
		Entry: base + length + entry, Phoff: ehsize, Ehsize: ehsize, Phentsize: phentsize, Phnum: 2,
		Segments: [2]segment{
			{Type: load, Flags: r | x, Vaddr: base, Paddr: base, Filesz: length + size, Memsz: length + size, Align: 0x10000},
			{Type: stack, Flags: r | w, Align: 16},
		},
	}
}
