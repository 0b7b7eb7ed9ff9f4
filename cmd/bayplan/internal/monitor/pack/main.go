// Pack builds the monitor into the folder it is given and removes the ones of
// former versions from it; `make build` runs it.
package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/monitor"
)

// program is the package that is built.
const program = "github.com/bayplan/bayplan/nodes/native/monitor/bayplan-monitor"

// flags make a program that needs nothing of the machine it runs on.
var flags = []string{"build", "-buildvcs=false", "-tags", "netgo,osusergo",
	"-ldflags", `-s -w -linkmode external -extldflags "-static"`}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: pack DIR")
		os.Exit(64)
	}
	if err := pack(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func pack(dir string) error {
	made, err := filepath.Glob(filepath.Join(dir, "*.gz"))
	if err != nil {
		return err
	}
	for _, path := range made {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	work, err := os.MkdirTemp("", "bayplan-pack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	binary := filepath.Join(work, monitor.Name)
	c := exec.Command("go", append(flags, "-o", binary, program)...)
	c.Env, c.Stderr = append(os.Environ(), "CGO_ENABLED=1"), os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("building %s, which needs a C compiler: %w", monitor.Name, err)
	}
	return compress(binary, filepath.Join(dir, monitor.Packed()))
}

func compress(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() {
		if e := out.Close(); err == nil {
			err = e
		}
	}()
	z := gzip.NewWriter(out)
	if _, err := io.Copy(z, in); err != nil {
		return err
	}
	return z.Close()
}
