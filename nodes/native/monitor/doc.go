// Package monitor is the process that stands beside each container of the
// built-in runtime: it makes the container, keeps its output, answers for it and
// remembers how it ended. It outlives the agent, so an agent that restarts loses
// nothing.
//
// An agent starts one with package launch, which needs no cgo:
//
//	exe, err := launch.Seal(launch.Name, file)                   // once: the program, sealed in memory
//	process, ready, err := launch.Start(exe, folder) // the container runs, or ready says why not
//
// That is the command line "bayplan-monitor FOLDER" (argv[0] is the name, and is
// looked at), with the ready pipe at file descriptor 3; FOLDER is absolute and is
// what package bundle describes. What executes is either the small program
// bayplan-monitor or any binary that imports this package, as cmd/bayplan does:
// it becomes a monitor before its own packages are initialised further, for no
// more than the price of its size.
//
// # What holds whatever happens
//
// The monitor has a session and a mount namespace of its own, in which the root
// of the container is mounted: a monitor that is killed leaves no mount. Nor does
// it leave a process: the first process of the container dies with it, and with
// that one all the others; a program that is itself the first process (no Init)
// and changed its user is the exception, and ends with cgroup.Kill. Only the
// directories of its control group are left for the agent (cgroup.Clear).
//
// A monitor ends when its program has ended, after it wrote exit.json and removed
// the control group; the lock of the folder is free then.
//
// # Who makes what
//
// libcontainer makes the container: its namespaces and control groups, what is
// masked and read-only, the way into the root and out of all privileges. What it
// would mount from inside and could as well be mounted before (/dev, /sys, the
// files of the config) the monitor mounts, by descriptors and while nothing of the
// container runs: that is the faster half of a start, and no step of it trusts a
// path of the image. Package first is what libcontainer runs.
//
// # What the program is given
//
// Namespaces of its own (pid, mount, ipc, uts, cgroup; the network's by path or
// the host's), a bounding set of capabilities that is Docker's but mknod (and raw
// sockets on the host's network), no_new_privs, Docker's seccomp filter for the
// machine's own architecture, /proc and /sys with what is dangerous masked or
// read-only, a /dev of six devices, and no file descriptor but 0, 1 and 2.
package monitor
