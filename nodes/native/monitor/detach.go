//go:build linux && cgo && (amd64 || arm64)

package monitor

/*
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

static int detached = -1;

// A monitor leaves the agent's session and mount namespace before Go's runtime
// has threads: an unshare is one thread's. The mounts stay slaves, so that what
// the host unmounts is not pinned here.
__attribute__((constructor)) static void bayplan_detach(int argc, char **argv)
{
	if (argc != 2 || strcmp(argv[0], "bayplan-monitor") != 0)
		return;
#ifdef M_ARENA_MAX
	mallopt(M_ARENA_MAX, 1); // each of Go's threads would have one of its own, for nothing
#endif
	if (argv[1][0] != '/')
		return;
	prctl(PR_SET_NAME, argv[0]); // the kernel named it after a descriptor's number
	setsid();
	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", "", MS_REC | MS_SLAVE, "") < 0)
		detached = errno;
	else
		detached = 0;
}

static int bayplan_detached(void) { return detached; }
*/
import "C"

import (
	"errors"
	"fmt"
	"syscall"
)

// detached is an error where this process is in the mount namespace of the host.
func detached() error {
	switch e := C.bayplan_detached(); {
	case e < 0:
		return errors.New("this is no monitor: it was not started as one")
	case e > 0:
		return fmt.Errorf("a mount namespace: %w", syscall.Errno(e))
	}
	return nil
}
