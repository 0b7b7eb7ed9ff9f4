package load

import (
	"crypto/sha256"
	"encoding/json"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// Package is one folder's work, and all that it may know beside the files.
type Package struct {
	// Dir is its path from the top of the tree, whose own is ".".
	Dir string
	// Root is the folder whose path below is a team's name, and which is the
	// operators' itself: "." or that of an environment.
	Root string
	// Module is the path by which files import others of the repository; "" if it
	// is no CUE module.
	Module string
	// Operators is where the operators' part is, if that is another repository's.
	Operators Operators
	// Policy tells that the operators have a policy, to which the workloads are held.
	Policy bool
	// Bare asks, beside what the workloads come to, for what they say themselves, to
	// be held to the policy apart.
	Bare bool
	// Judge is what the package said of itself in an earlier evaluation, of the
	// content from: that is held to the policy, and no file of the team is read.
	Judge  []Statement
	from   [sha256.Size]byte
	Limits Limits
	// Find asks for the places of these fields, and for nothing else.
	Find []Place `json:",omitempty"`
}

// Statement is a workload as its team wrote it, without defaults.
type Statement struct {
	Name string
	Kind schema.Kind
	Data json.RawMessage
}

// team is the name of the package's team; "" is the root.
func (p Package) team() string {
	if p.Dir == p.operatorsRoot() {
		return ""
	}
	return teamUnder(p.Root, p.Dir)
}

// teamUnder is the name of the team that a directory below a root is.
func teamUnder(root, dir string) string {
	switch {
	case dir == root:
		return ""
	case root == ".":
		return dir
	}
	return strings.TrimPrefix(dir, root+"/")
}

// Folder is the files right in one directory, in the order of their names, and
// why some or all of them may not be used; empty for one that is not there.
type Folder struct {
	Files   []File
	Refused []*Error
}

// File is one file in memory; its Name is the path from the root. Data is nil,
// and not just empty, for one that breaks a limit: its package is refused.
type File struct {
	Name string
	Data []byte
}

// folders finds a directory by its path from the root. What an evaluation comes
// to depends on what it asked for, and on nothing else.
type folders func(dir string) Folder
