//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	_ "github.com/opencontainers/cgroups/devices" // without it no device rule can be set
	devices "github.com/opencontainers/cgroups/devices/config"
)

// nodes are the devices of the container's /dev, by major and minor number.
var nodes = []struct {
	name         string
	major, minor uint32
}{
	{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7},
	{"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
}

// rules are which devices may be opened, wherever their nodes come from: those of
// /dev and terminals. There is none that may be made.
func rules() []*devices.Rule {
	all := []*devices.Rule{{Type: devices.WildcardDevice, Major: devices.Wildcard, Minor: devices.Wildcard, Permissions: "rwm"}}
	for _, n := range nodes {
		all = append(all, char(int64(n.major), int64(n.minor)))
	}
	return append(all, char(5, 2), char(136, devices.Wildcard)) // ptmx and pts
}

func char(major, minor int64) *devices.Rule {
	return &devices.Rule{Type: devices.CharDevice, Major: major, Minor: minor, Permissions: "rwm", Allow: true}
}
