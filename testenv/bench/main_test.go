package bench

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
)

// The binary under test, a copy: a build while the benchmarks run changes
// nothing. Without benchmarks to run it is not needed.
var binary string

// life ends with Ctrl-C: what runs then fails and cleans up behind itself.
var life = context.Background()

func TestMain(m *testing.M) {
	flag.Parse()
	if dir := os.Getenv(gitRoot); dir != "" {
		serveGit(dir)
		return
	}
	if f := flag.Lookup("test.bench"); f == nil || f.Value.String() == "" {
		os.Exit(m.Run())
	}
	var stop context.CancelFunc
	life, stop = signal.NotifyContext(life, os.Interrupt, syscall.SIGTERM)
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	code := m.Run()
	stop()
	if err := os.RemoveAll(filepath.Dir(binary)); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	results.print(os.Stdout)
	os.Exit(code)
}

// prepare makes sure that there is an engine and a binary.
func prepare() error {
	if out, err := exec.Command("docker", "version").CombinedOutput(); err != nil {
		return fmt.Errorf("no Docker Engine answers: %w\n%s; run: make bench", err, out)
	}
	dir, err := os.MkdirTemp("", "bayplan-bench-")
	if err != nil {
		return err
	}
	binary = filepath.Join(dir, "bayplan")
	return copyFile(binary, filepath.Join("..", "..", "bin", "bayplan"))
}

// copyFile copies as cp does, piece by piece: a file that is written in one go
// lies in huge pages, which count as resident whole once a byte is touched.
func copyFile(to, from string) error {
	r, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("%w; run: make build", err)
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}
