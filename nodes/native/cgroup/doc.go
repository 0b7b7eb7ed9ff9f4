// Package cgroup reads, ends and removes control groups by the kernel's own
// files, on cgroup v1, v2 and the hybrid of both. A path names one group in each
// hierarchy that is mounted: "/bayplan/web.0" is all of them together.
//
// It needs no cgo and holds nothing open. A process is never signalled by a pid
// that it may have lost meanwhile.
package cgroup
