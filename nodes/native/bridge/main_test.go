package bridge

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
)

// The tests run in a network namespace that is theirs alone, so that they
// neither see nor change the machine's network and two runs never meet: as root
// the test binary starts itself again in one.
const envAside = "BAYPLAN_BRIDGE_TEST_ASIDE"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(envCrash) != "":
		crash()
	case os.Getuid() == 0 && os.Getenv(envAside) == "":
		os.Exit(again())
	case os.Getuid() == 0:
		if err := netlink.LinkSetUp(&netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: 1, Name: "lo"}}); err != nil {
			fmt.Fprintln(os.Stderr, "lo up:", err)
			os.Exit(1)
		}
	}
	goleak.VerifyTestMain(m)
}

// again runs this binary in a network namespace of its own.
func again() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), envAside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "a network namespace for the tests:", err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("making network namespaces takes root")
	}
}
