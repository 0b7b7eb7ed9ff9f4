// What the container begins with. This is compiled into a section of its own,
// which Go copies behind an ELF header: so nothing here may refer to anything
// outside of this one function: no library, no string, no table, no global.
//
// Arguments:  self, name, mode, candidate..., "", argument...
//   mode "x" becomes the program, "i" forks it and stays as the first process.
// Descriptors: 3 is this program, 4 the filter, 5 the pipe for troubles.
#include <linux/filter.h>
#include <linux/poll.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/time_types.h>
#include <sys/syscall.h>

#define SECTION "bayplan_first"
#define IN static inline __attribute__((always_inline, no_instrument_function))

#if defined(__x86_64__)
__asm__(".pushsection " SECTION ",\"ax\",@progbits\n"
	".globl bayplan_first_entry\n"
	"bayplan_first_entry:\n"
	"xor %ebp, %ebp\n"
	"mov %rsp, %rdi\n"
	"and $-16, %rsp\n"
	"call bayplan_first_run\n"
	"hlt\n"
	".popsection\n");
IN long call(long n, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
	return r;
}
#elif defined(__aarch64__)
__asm__(".pushsection " SECTION ",\"ax\",@progbits\n"
	".globl bayplan_first_entry\n"
	"bayplan_first_entry:\n"
	"mov x29, xzr\n"
	"mov x30, xzr\n"
	"mov x0, sp\n"
	"bl bayplan_first_run\n"
	"brk #0\n"
	".popsection\n");
IN long call(long n, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
}
#else
#error "bayplan: the built-in runtime knows amd64 and arm64; build with CGO_ENABLED=0 for a binary without it"
#endif

enum { SELF = 3, FILTER = 4, TROUBLE = 5 };
enum { ENOENT_ = 2, EINTR_ = 4, ECHILD_ = 10, EACCES_ = 13, ENOTDIR_ = 20 };
enum { SIGKILL_ = 9, SIGCHLD_ = 17, SIG_BLOCK_ = 0, SIG_SETMASK_ = 2, WNOHANG_ = 1, SIGSET = 8 };
enum { AT_FILTER = 1, AT_FORK = 2, AT_EXEC = 3 };

IN void end(int code)
{
	for (;;)
		call(SYS_exit_group, code, 0, 0, 0, 0);
}

// trouble tells where it went wrong, and how.
IN void trouble(int where, long r)
{
	int what[2] = { where, (int)-r };
	call(SYS_write, TROUBLE, (long)what, sizeof what, 0, 0);
	end(127);
}

// orphaned is whether nobody reads our troubles any more: the monitor was gone
// before its death could reach us.
IN int orphaned(void)
{
	struct pollfd p = { TROUBLE, 0, 0 };
	struct __kernel_timespec now = { 0, 0 };
	return call(SYS_ppoll, (long)&p, 1, (long)&now, 0, 0) != 0;
}

// confine loads the filter, which from now on holds for us too.
IN void confine(void)
{
	struct sock_filter code[BPF_MAXINSNS];
	long n = 0, r;
	while ((r = call(SYS_read, FILTER, (long)((char *)code + n), sizeof code - n, 0, 0)) > 0)
		n += r;
	call(SYS_close, FILTER, 0, 0, 0, 0);
	if (r < 0)
		trouble(AT_FILTER, r);
	struct sock_fprog p = { (unsigned short)(n / (long)sizeof code[0]), code };
	r = call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&p, 0, 0);
	if (r < 0)
		trouble(AT_FILTER, r);
}

// undo gives every signal its usual meaning: what the agent ignores is not the
// program's affair. Go's runtime does not touch 32 and 33, which are the C
// library's, and which make leaves ignored in all that it starts.
IN void undo(void)
{
	unsigned long usual[4] = { 0 }; // as the kernel's sigaction: SIG_DFL, no flags
	for (int sig = 1; sig <= 64; sig++)
		call(SYS_rt_sigaction, sig, (long)usual, 0, SIGSET, 0);
}

// become tries each candidate as a search by PATH does: what is not there is
// passed over, what may not be run is remembered, anything else is the answer. A
// file that is no program is never given to a shell.
IN void become(char **candidate, char **argv, char **envp)
{
	long r = -ENOENT_, denied = 0;
	for (; **candidate; candidate++) {
		r = call(SYS_execve, (long)*candidate, (long)argv, (long)envp, 0, 0);
		if (r == -EACCES_)
			denied = r;
		else if (r != -ENOENT_ && r != -ENOTDIR_)
			break;
	}
	trouble(AT_EXEC, (r == -ENOENT_ || r == -ENOTDIR_) && denied ? denied : r);
}

// exit_code is a shell's way to say how a process ended.
IN int exit_code(int status)
{
	int sig = status & 0x7f;
	return sig ? 128 + sig : (status >> 8) & 0xff;
}

// attend is the life of a first process: signals go to the program, the dead are
// buried, and with the program's end all ends.
IN void attend(long child, unsigned long *all)
{
	for (;;) {
		long sig = call(SYS_rt_sigtimedwait, (long)all, 0, 0, SIGSET, 0);
		if (sig > 0 && sig != SIGCHLD_)
			call(SYS_kill, child, sig, 0, 0, 0);
		for (;;) {
			int status = 0;
			long dead = call(SYS_wait4, -1, (long)&status, WNOHANG_, 0, 0);
			if (dead == child || dead == -ECHILD_)
				end(exit_code(status));
			if (dead <= 0)
				break;
		}
	}
}

__attribute__((section(SECTION), used, noinline, noreturn, visibility("hidden"), no_instrument_function))
void bayplan_first_run(long *sp)
{
	char **argv = (char **)(sp + 1), **envp = argv + sp[0] + 1;
	if (sp[0] < 6)
		end(127);
	char **candidate = argv + 3, **args = candidate;
	while (**args)
		args++;
	args++;

	call(SYS_close, SELF, 0, 0, 0, 0);
	call(SYS_fcntl, TROUBLE, 2 /* F_SETFD */, 1 /* FD_CLOEXEC */, 0, 0);
	call(SYS_prctl, PR_SET_NAME, (long)argv[1], 0, 0, 0);
	call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL_, 0, 0, 0);
	if (orphaned())
		end(127);
	undo();
	confine();
	if (argv[2][0] != 'i')
		become(candidate, args, envp);

	unsigned long all = ~0UL, before = 0;
	call(SYS_rt_sigprocmask, SIG_BLOCK_, (long)&all, (long)&before, SIGSET, 0);
	long child = call(SYS_clone, SIGCHLD_, 0, 0, 0, 0);
	if (child < 0)
		trouble(AT_FORK, child);
	if (child == 0) {
		call(SYS_setsid, 0, 0, 0, 0, 0);
		call(SYS_rt_sigprocmask, SIG_SETMASK_, (long)&before, 0, SIGSET, 0);
		become(candidate, args, envp);
	}
	call(SYS_close, 0, 0, 0, 0, 0);
	call(SYS_close, 1, 0, 0, 0, 0);
	call(SYS_close, 2, 0, 0, 0, 0);
	call(SYS_close, TROUBLE, 0, 0, 0, 0);
	attend(child, &all);
	__builtin_unreachable();
}
