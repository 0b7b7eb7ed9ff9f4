// Package launch starts a monitor. It is apart from the monitor, so that an agent
// needs neither cgo nor what the monitor is made of.
package launch
