package source

import (
	"os"

	"golang.org/x/sys/unix"
)

// flock takes f for this open file alone, without waiting; closing f, and the
// end of the process, give it free.
func flock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
