// Package bundle is what the agent and the monitor of one container agree on:
// the folder that the container has on its node, and the words that are spoken
// over the monitor's socket. Both sides import it and nothing else of each other.
//
// A folder holds:
//
//	config.json    all that the monitor needs; written by the agent, whole, before a monitor starts
//	started.json   written by the monitor once the program runs, and held (flock) by it for as long as it lives
//	exit.json      written by the monitor once the program ended; the last life's. Where the disk is full it stands in started.json, as a second value
//	control.sock   where the monitor answers
//	log/           the output, rotated
//	upper, work    the container's own layer, kept over its lives
//	run            the monitor's own, in memory and a mount namespace of its own: the whole root is mounted there
//	monitor.log    what the monitor has to say of itself: nothing, unless it is broken
//
// So a folder says by itself what became of its container:
//
//	started.json held                          a monitor is at work
//	started.json free, or empty, or missing    created; it never ran
//	started.json free, exit.json of that life  it ended, and the monitor saw how
//	started.json free, no such exit.json       the monitor was killed; the kernel ended the program with it
//
// A monitor that is killed while it starts may leave a child that holds the lock
// until it comes to its exec, a moment later.
package bundle
