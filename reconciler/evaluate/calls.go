package evaluate

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// calls are the system calls that Go's runtime makes while a program computes and
// talks to its pipes. All others fail, as those do that are not permitted.
var calls = []uint32{
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_CLOSE, unix.SYS_FCNTL,
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2, unix.SYS_PIPE2,
	unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_BRK, unix.SYS_MREMAP,
	unix.SYS_FUTEX, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_MEMBARRIER,
	unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_TGKILL,
	unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_GETTIMEOFDAY, unix.SYS_RESTART_SYSCALL,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
	unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_DELETE, unix.SYS_SETITIMER,
	unix.SYS_GETRANDOM, unix.SYS_GETRUSAGE, unix.SYS_PRLIMIT64,
	unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
}

// architectures are as the kernel names them to a filter.
var architectures = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}

// Places in what a filter is given, struct seccomp_data of linux/seccomp.h.
const (
	dataCall         = 0
	dataArchitecture = 4
	dataFirst        = 16 // the low half of the first argument
)

const (
	load32 = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	has    = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	answer = unix.BPF_RET | unix.BPF_K

	allow = unix.SECCOMP_RET_ALLOW
	deny  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	// A C library that has clone3 refused as unknown falls back on clone, whose
	// flags a filter can see.
	unknown = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// filter is the program that judges each call. A call of another architecture's
// table ends the process; clone makes threads and nothing else. A number of the
// x32 table is equal to none of ours.
func filter(architecture uint32) []unix.SockFilter {
	f := []unix.SockFilter{
		{Code: load32, K: dataArchitecture},
		{Code: equal, K: architecture, Jt: 1},
		{Code: answer, K: unix.SECCOMP_RET_KILL_PROCESS},
		{Code: load32, K: dataCall},
		{Code: equal, K: unix.SYS_CLONE, Jf: 4},
		{Code: load32, K: dataFirst},
		{Code: has, K: unix.CLONE_THREAD, Jf: 1},
		{Code: answer, K: allow},
		{Code: answer, K: deny},
		{Code: equal, K: unix.SYS_CLONE3, Jf: 1},
		{Code: answer, K: unknown},
	}
	for _, c := range calls {
		f = append(f, unix.SockFilter{Code: equal, K: c, Jf: 1}, unix.SockFilter{Code: answer, K: allow})
	}
	return append(f, unix.SockFilter{Code: answer, K: deny})
}

// filterCalls puts all threads of the process under the filter.
func filterCalls() error {
	architecture, ok := architectures[runtime.GOARCH]
	if !ok {
		return fmt.Errorf("no filter of system calls for %s", runtime.GOARCH)
	}
	f := filter(architecture)
	program := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	runtime.LockOSThread() // the two calls below are of one thread
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	// The flag takes both to the other threads.
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(f)
	if errno != 0 {
		return fmt.Errorf("filter of system calls: %w", errno)
	}
	return nil
}
