// Pack builds the demo image's layer into the folder it is given and removes
// the ones of former sources from it; `make build` runs it.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/demo/layer"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: pack DIR")
		os.Exit(64)
	}
	if err := pack(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func pack(ctx context.Context, dir string) error {
	b, err := layer.Find(ctx, os.DirFS(dir))
	if err != nil {
		return err
	}
	made, err := filepath.Glob(filepath.Join(dir, "hello-*.tar.gz"))
	if err != nil {
		return err
	}
	for _, path := range made {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, layer.Name()), b, 0o644)
}
