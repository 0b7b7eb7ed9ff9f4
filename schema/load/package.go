package load

// Package is one folder's work, and all that it may know beside the files.
type Package struct {
	// Dir is its path from the root, whose own is ".".
	Dir string
	// Module is the path by which files import others of the repository; "" if it
	// is no CUE module.
	Module string
	// Policy tells that the root has a policy, to which the workloads are held.
	Policy bool
	Limits Limits
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
