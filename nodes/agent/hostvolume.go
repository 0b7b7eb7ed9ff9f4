package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// HostVolumes are the folders of its machine that a node's operator declared, by
// name. A workload names one of them and never a path, so that what teams see of
// a machine is its operator's to say.
type HostVolumes map[string]HostVolume

// HostVolume is one declared folder.
type HostVolume struct {
	Path string // absolute and clean
	// ReadOnly is for all who mount it.
	ReadOnly bool
}

// ParseHostVolumes reads lines such as "media=/srv/media" and "certs=/etc/ssl:ro".
// Whether the folders are there shows when they are mounted: one that is away for
// a while (a disk that is not mounted yet) must not keep an agent from starting.
func ParseHostVolumes(lines []string) (HostVolumes, error) {
	all := HostVolumes{}
	for _, line := range lines {
		name, path, ok := strings.Cut(line, "=")
		if !ok || !schema.ValidName(name) {
			return nil, fmt.Errorf("host volume %q: want NAME=FOLDER or NAME=FOLDER:ro; for NAME %s", line, schema.NameRule)
		}
		if _, twice := all[name]; twice {
			return nil, fmt.Errorf("host volume %q is declared twice", name)
		}
		path, readOnly := strings.CutSuffix(path, ":ro")
		if !readOnly {
			path = strings.TrimSuffix(path, ":rw")
		}
		if !filepath.IsAbs(path) || filepath.Clean(path) != strings.TrimSuffix(path, "/") && path != "/" {
			return nil, fmt.Errorf("host volume %q: %q is no absolute path without .. such as /srv/%s", name, path, name)
		}
		all[name] = HostVolume{Path: filepath.Clean(path), ReadOnly: readOnly}
	}
	return all, nil
}

// Attributes are what a node says of its host volumes.
func (all HostVolumes) Attributes() map[string]string {
	m := map[string]string{}
	for name, v := range all {
		m[schema.HostVolume(name)] = schema.HostVolumeWritable
		if v.ReadOnly {
			m[schema.HostVolume(name)] = schema.HostVolumeReadOnly
		}
	}
	return m
}

// Find is the folder that a workload's volume stands for. The scheduler asked
// for it already, but what is declared may have changed since.
func (all HostVolumes) Find(v schema.Volume) (HostVolume, error) {
	found, declared := all[v.Host]
	switch {
	case !declared:
		return HostVolume{}, unavailable(nil, "host volume %q: this node declares none of that name; start its agent with --host-volume %s=FOLDER", v.Host, v.Host)
	case found.ReadOnly && !v.ReadOnly:
		return HostVolume{}, unavailable(nil, "host volume %q is declared read-only on this node: ask for it with readOnly: true", v.Host)
	}
	return found, nil
}

// Check is whether the volume's folder is what was declared: a folder, with no
// link on the way to it. A link may be another workload's that writes to a folder
// above, and would lead wherever that likes.
func (v HostVolume) Check(name string) error {
	real, err := filepath.EvalSymlinks(v.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return unavailable(err, "host volume %q: %s is not there on this node: make it, or mount what it is on", name, v.Path)
	case err != nil:
		return unavailable(err, "host volume %q: %v", name, err)
	case real != v.Path:
		return unavailable(nil, "host volume %q: a link leads from %s to %s; declare where it is to lead: --host-volume %s=FOLDER", name, v.Path, real, name)
	}
	info, err := os.Lstat(v.Path)
	if err != nil || !info.IsDir() {
		return unavailable(err, "host volume %q: %s is no folder", name, v.Path)
	}
	return nil
}

func unavailable(err error, format string, args ...any) error {
	return &Error{Failure: nodes.Failure{Code: nodes.VolumeUnavailable, Text: fmt.Sprintf(format, args...)}, Err: err}
}
