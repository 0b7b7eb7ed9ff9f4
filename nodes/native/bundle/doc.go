// Package bundle is what the agent and the monitor of one container agree on:
// the folder that the container has on its node, and the words that are spoken
// over the monitor's socket. Both sides import it and nothing else of each other.
//
// A folder holds:
//
//	config.json    all that the monitor needs; written by the agent, whole, before a monitor starts
//	lock           held (flock) by the monitor for as long as it lives
//	started.json   written by the monitor once the program runs
//	exit.json      written by the monitor once the program ended; the last life's
//	control.sock   where the monitor answers
//	log/           the output, rotated
//	upper, work    the container's own layer, kept over its lives
//	rootfs         where the monitor mounts the whole, in a mount namespace of its own
//	lower, state,
//	declared       the monitor's own
//	monitor.log    what the monitor has to say of itself: nothing, unless it is broken
//
// So a folder says by itself what became of its container:
//
//	lock held                          a monitor is at work
//	lock free, no started.json         created; it never ran
//	lock free, exit.json as started    it ended, and the monitor saw how
//	lock free, started.json alone      the monitor was killed; the kernel ended the program with it
//
// A monitor that is killed while it starts may leave a child that holds the lock
// until it comes to its exec, a moment later.
package bundle
