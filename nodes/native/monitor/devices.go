//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	_ "github.com/opencontainers/cgroups/devices" // without it no device rule can be set
	devices "github.com/opencontainers/cgroups/devices/config"
)

// nodes are the devices of the container's /dev.
func nodes() []*devices.Device {
	all := []*devices.Device{}
	for _, d := range []struct {
		path         string
		major, minor int64
	}{
		{"/dev/null", 1, 3}, {"/dev/zero", 1, 5}, {"/dev/full", 1, 7},
		{"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
	} {
		all = append(all, &devices.Device{Path: d.path, FileMode: 0o666, Rule: char(d.major, d.minor)})
	}
	return all
}

// rules are which devices may be opened, wherever their nodes come from: those of
// /dev and terminals. There is none that may be made.
func rules() []*devices.Rule {
	all := []*devices.Rule{{Type: devices.WildcardDevice, Major: devices.Wildcard, Minor: devices.Wildcard, Permissions: "rwm"}}
	for _, n := range nodes() {
		all = append(all, &n.Rule)
	}
	ptmx, pts := char(5, 2), char(136, devices.Wildcard)
	return append(all, &ptmx, &pts)
}

func char(major, minor int64) devices.Rule {
	return devices.Rule{Type: devices.CharDevice, Major: major, Minor: minor, Permissions: "rwm", Allow: true}
}
