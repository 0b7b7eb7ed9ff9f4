// Package examples carries the sample repositories, so that a binary alone can
// hand one out, and the source of the program that the sample runs.
package examples

import (
	"embed"
	"io/fs"
)

//go:embed hello
var files embed.FS

// HelloServer is the source of the demo's web server: one file, package main,
// of the standard library alone.
func HelloServer() []byte {
	b, err := files.ReadFile("hello/server/main.go")
	if err != nil {
		panic("examples: " + err.Error()) // the pattern above holds it
	}
	return b
}

// Hello is the sample repository as it looks from its root. The server's Go
// source lies in there too; it is no part of what a cluster reads.
func Hello() fs.FS {
	sub, err := fs.Sub(files, "hello")
	if err != nil {
		panic("examples: " + err.Error()) // the pattern above holds it
	}
	return sub
}
