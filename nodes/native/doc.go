// Package native is an [agent.Runtime] that needs no engine: the node's kernel, a
// store of images (package images), a bridge (package bridge), and a monitor per
// container (package monitor, started by package launch).
//
// All that is known of a container stands in its folder (package bundle says
// what), under Config.Dir:
//
//	containers/NAME.NODE.SUM   a container
//	containers/.new-…          one being made; a crash leaves it, the next process removes it
//	containers/.gone-…         one being removed; the same
//	volumes/SLOT.SUM/NAME      a volume; never removed here (I18)
//
// A process that opens the Dir reads the folders, finds the monitors that live
// by their pid and start time (never a pid alone), and goes on as if it had never
// been away. It holds a pidfd of each, whose end means: look at the folder. So no
// exit is missed, nothing is signalled that only reuses a pid, and waiting costs
// no thread.
//
// A folder is whole from the instant it has its name (it is renamed into place),
// and gone from the instant it has not. What stands outside of it is named after
// it (the control group, the network's attachment), so that what has no folder
// is left over, and is swept.
package native
