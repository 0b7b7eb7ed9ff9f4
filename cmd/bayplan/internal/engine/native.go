package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/monitor"
	"github.com/bayplan/bayplan/nodes/native"
	nativemonitor "github.com/bayplan/bayplan/nodes/native/monitor"
)

// openNative puts the built-in runtime's parts together.
func openNative(cfg Config) (*Engine, error) {
	var rt *native.Runtime
	store, err := openImages(cfg, func(ctx context.Context) ([]string, error) { return rt.ImagesInUse(ctx) })
	if err != nil {
		return nil, err
	}
	archives, err := openArchives(cfg, func(ctx context.Context) ([]string, error) { return rt.ArchivesInUse(ctx) })
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	network := newNetwork(cfg)
	own := native.Config{
		Dir: filepath.Join(cfg.Dir, "native"), Cluster: cfg.Cluster, Node: cfg.Node, Images: store, Archives: archives, HostPaths: cfg.HostPaths, Network: network,
		Monitor: Monitor, PublishIP: cfg.Publish, HostVolumes: cfg.HostVolumes, Log: cfg.Log,
	}
	closeParts := func(retire bool) error {
		return errors.Join(network.Close(retire), archives.Close(), store.Close())
	}
	if rt, err = native.New(own); err != nil {
		return nil, errors.Join(err, closeParts(false))
	}
	store.tend()
	archives.tend()
	return &Engine{Runtime: rt, Name: Native, close: func(retire bool) error { return errors.Join(rt.Close(), closeParts(retire)) }}, nil
}

// Monitor opens the program that stands by each container.
func Monitor() (io.ReadCloser, error) { return monitor.Find(nativemonitor.Able == "") }

func imagesDir(cfg Config) string { return filepath.Join(cfg.Dir, "images") }

// describeNative names the built-in runtime with its kernel.
func describeNative() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", err
	}
	if all := Problems(os.TempDir()); len(all) > 0 {
		return "", fmt.Errorf("the built-in runtime: %s; %s", all[0].What, all[0].Mend)
	}
	return "built-in runtime, Linux " + unix.ByteSliceToString(u.Release[:]), nil
}

// Problems are what keeps the built-in runtime from working on this machine, with
// its state in dir.
func Problems(dir string) []native.Problem {
	all := native.Check(dir, nil)
	program, err := Monitor()
	if err == nil {
		err = program.Close()
	}
	if err != nil {
		all = append(all, native.Problem{What: err.Error(), Mend: "build bayplan with: make build"})
	}
	return all
}
