package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// Make makes the group in those hierarchies of v1 that the machine has.
func Make(path string, controllers ...string) error {
	h, err := Mounted()
	if err != nil {
		return err
	}
	for _, c := range controllers {
		if h.Controllers[c] == "" {
			continue
		}
		dir := h.in(c, path)
		if err = syscall.Mkdir(dir, 0o755); errors.Is(err, syscall.ENOENT) {
			err = os.MkdirAll(dir, 0o755)
		}
		if err != nil && !errors.Is(err, syscall.EEXIST) {
			return fmt.Errorf("making %s: %w", dir, err)
		}
	}
	return nil
}

// Clear ends what runs in the group and removes it. Where nothing does, which is
// what it usually finds, that is one system call for each hierarchy.
func Clear(path string) error {
	h, err := Mounted()
	if err != nil {
		return err
	}
	left := false
	for _, dir := range h.dirs(path) {
		if slices.Contains(h.roots(), dir) {
			return errRoot
		}
		left = gone(syscall.Rmdir(dir)) != nil || left
	}
	if !left {
		return nil
	}
	return errors.Join(Kill(path), Remove(path))
}

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
	below, readErr := groups(dir)
	for _, name := range below {
		if err := removeTree(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if readErr != nil {
		return readErr
	}
	return gone(syscall.Rmdir(dir))
}

// groups are the names of the groups right below the one of dir. A group has a
// link for each and two of its own, so one that has none is not read: it has
// dozens of files.
func groups(dir string) ([]string, error) {
	var at syscall.Stat_t
	if err := syscall.Stat(dir, &at); err != nil || at.Nlink <= 2 {
		return nil, gone(err)
	}
	below, err := os.ReadDir(dir)
	var all []string
	for _, d := range below {
		if d.IsDir() {
			all = append(all, d.Name())
		}
	}
	return all, gone(err)
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
		below, err := groups(dir)
		if err != nil {
			return nil, err
		}
		all = append(all, below...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
