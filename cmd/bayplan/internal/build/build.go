// Package build says which program this is.
package build

import (
	"runtime"
	"runtime/debug"
)

// Info is what the build stamped into the binary.
type Info struct {
	// Version is the module's, or "dev" and the commit that it was built from.
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	// Modified is whether the tree differed from Commit.
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Read is this program's.
func Read() Info {
	i := Info{Version: "dev", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return i
	}
	for _, s := range b.Settings {
		switch s.Key {
		case "vcs.revision":
			i.Commit = s.Value
		case "vcs.modified":
			i.Modified = s.Value == "true"
		}
	}
	if v := b.Main.Version; v != "" && v != "(devel)" {
		i.Version = v
	}
	return i
}

// Version is the one word that nodes and servers tell each other.
func Version() string { return Read().Version }
