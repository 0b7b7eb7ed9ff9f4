package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// Remove removes the group and those below it from every hierarchy. It waits
// for processes that are ending, and ends none. A group that is not there is no
// error.
func Remove(path string) error {
	h, err := Mounted()
	if err != nil {
		return err
	}
	var all []error
	for _, dir := range h.dirs(path) {
		if slices.Contains(h.roots(), dir) {
			return errRoot
		}
		if err := await(func() (bool, error) { err := removeTree(dir); return err == nil, err }); err != nil {
			all = append(all, fmt.Errorf("removing %s: %w", dir, err))
		}
	}
	return errors.Join(all...)
}

// removeTree removes the leaves first. One rmdir is the usual case.
func removeTree(dir string) error {
	err := gone(syscall.Rmdir(dir))
	if err == nil {
		return nil
	}
	below, readErr := os.ReadDir(dir)
	if readErr != nil {
		return gone(readErr)
	}
	for _, d := range below {
		if d.IsDir() {
			if err := removeTree(filepath.Join(dir, d.Name())); err != nil {
				return err
			}
		}
	}
	return gone(syscall.Rmdir(dir))
}

// List is the names of the groups right below the parent in any hierarchy,
// sorted: those that a killed monitor left are among them.
func List(parent string) ([]string, error) {
	h, err := Mounted()
	if err != nil {
		return nil, err
	}
	var all []string
	for _, dir := range h.dirs(parent) {
		below, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, d := range below {
			if d.IsDir() {
				all = append(all, d.Name())
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
