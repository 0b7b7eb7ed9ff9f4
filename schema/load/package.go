package load

import "strings"

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
	Limits Limits
	// Find asks for the places of these fields, and for nothing else.
	Find []Place `json:",omitempty"`
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
