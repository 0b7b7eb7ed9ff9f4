package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func init() {
	for name, try := range map[string]func(a []string) error{
		"mount":       func([]string) error { return syscall.Mount("none", "/tmp", "tmpfs", 0, "") },
		"umount":      func(a []string) error { return syscall.Unmount(a[0], syscall.MNT_DETACH) },
		"remount":     func(a []string) error { return syscall.Mount("", a[0], "", syscall.MS_REMOUNT|syscall.MS_BIND, "") },
		"kill":        func(a []string) error { return syscall.Kill(number(a[0]), syscall.SIGKILL) },
		"ptrace":      func(a []string) error { return syscall.PtraceAttach(number(a[0])) },
		"write":       func(a []string) error { return writeFile(a[0]) },
		"open":        func(a []string) error { return openFile(a[0], os.O_RDONLY) },
		"project":     func(a []string) error { return onFile(a[0], 0x401c5820) },
		"flags":       func(a []string) error { return onFile(a[0], 0x40086602) },
		"flags32":     func(a []string) error { return onFile(a[0], 0x40046602) },
		"setattr":     func([]string) error { return call(469, 0, 0, 0) },
		"fill":        func(a []string) error { return fill(a[0]) },
		"mknod":       func([]string) error { return syscall.Mknod("/tmp/disk", syscall.S_IFBLK|0o600, 254<<8) },
		"unshare":     func([]string) error { return syscall.Unshare(syscall.CLONE_NEWUSER) },
		"keyctl":      func([]string) error { return call(syscall.SYS_KEYCTL, 0, 0, 0) },
		"add_key":     func([]string) error { return call(syscall.SYS_ADD_KEY, 0, 0, 0) },
		"module":      func([]string) error { return call(syscall.SYS_INIT_MODULE, 0, 0, 0) },
		"reboot":      func([]string) error { return call(syscall.SYS_REBOOT, 0xfee1dead, 672274793, 0) },
		"clock":       func([]string) error { return syscall.Settimeofday(&syscall.Timeval{Sec: 1}) },
		"swapon":      func([]string) error { return call(syscall.SYS_SWAPON, 0, 0, 0) },
		"hostname":    func([]string) error { return syscall.Sethostname([]byte("evil")) },
		"raw":         func([]string) error { return socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_ICMP) },
		"packet":      func([]string) error { return socket(syscall.AF_PACKET, syscall.SOCK_RAW, 0) },
		"vsock":       func([]string) error { return socket(40, syscall.SOCK_STREAM, 0) },
		"alg":         func([]string) error { return socket(38, syscall.SOCK_SEQPACKET, 0) },
		"nice":        func([]string) error { return syscall.Setpriority(syscall.PRIO_PROCESS, 0, -10) },
		"clone":       func([]string) error { return cloneUser() },
		"personality": func([]string) error { return call(syscall.SYS_PERSONALITY, 0x0040000, 0, 0) },
	} {
		tries[name] = func(a []string) { tell(try(a)) }
	}
	for name, try := range map[string]func(a []string){
		"fds": fds, "pids": processes, "bomb": bomb, "eat": eat, "status": status, "setuid": setuid,
		"orphans": orphans, "flood": flood, "read": read, "spawn": spawn, "user": user, "links": links, "resized": resized, "nest": nest, "drop": drop, "each": each,
	} {
		tries[name] = try
	}
}

// tell writes an errno's name, or what came instead.
func tell(err error) {
	var errno syscall.Errno
	switch {
	case err == nil:
		fmt.Println("done")
	case errors.As(err, &errno):
		fmt.Println(int(errno))
	default:
		fmt.Println(err)
	}
}

func number(s string) int { n, _ := strconv.Atoi(s); return n }

func call(n, a, b, c uintptr) error {
	if _, _, e := syscall.Syscall(n, a, b, c); e != 0 {
		return e
	}
	return nil
}

func socket(domain, kind, proto int) error {
	_, err := syscall.Socket(domain, kind, proto)
	return err
}

func cloneUser() error {
	cmd := exec.Command("/proc/self/exe", "exit", "0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	return cmd.Run()
}

func writeFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString("1")
	return err
}

func openFile(path string, flags int) error {
	f, err := os.OpenFile(path, flags, 0)
	if err == nil {
		f.Close()
	}
	return err
}

// onFile makes a request of ioctl with all zero: no project, no flag.
func onFile(path string, request uintptr) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var none [64]byte
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(&none))); e != 0 {
		return e
	}
	return nil
}

// fill writes 8 MiB, as far as there is room.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for range 8 {
		if _, err := f.Write(make([]byte, 1<<20)); err != nil {
			return err
		}
	}
	return nil
}

// fds are the descriptors but the one that lists them. No file is opened that Go
// would want to poll: that makes descriptors.
func fds([]string) {
	d, err := syscall.Open("/proc/self/fd", syscall.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		tell(err)
		return
	}
	buf := make([]byte, 64<<10)
	n, err := syscall.ReadDirent(d, buf)
	if err != nil {
		tell(err)
		return
	}
	_, _, names := syscall.ParseDirent(buf[:n], -1, nil)
	for _, name := range names {
		to := make([]byte, 4096)
		n, err := syscall.Readlink("/proc/self/fd/"+name, to)
		if err == nil && name != strconv.Itoa(d) {
			kind, _, _ := strings.Cut(string(to[:n]), ":")
			fmt.Println(name, kind)
		}
	}
}

func processes([]string) {
	all, _ := filepath.Glob("/proc/[0-9]*/comm")
	sort.Strings(all)
	for _, p := range all {
		b, _ := os.ReadFile(p)
		fmt.Println(strings.Split(p, "/")[2], strings.TrimSpace(string(b)))
	}
}

// bomb starts processes until it may not.
func bomb([]string) {
	for n := 0; ; n++ {
		cmd := exec.Command("/proc/self/exe", "sleep")
		if err := cmd.Start(); err != nil {
			fmt.Println("stopped", n < 1000)
			return
		}
	}
}

func eat([]string) {
	for all := [][]byte{}; ; {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		all = append(all, b)
	}
}

// status is what the kernel says of a process, the fields that are asked for.
func status(a []string) {
	f, _ := os.Open("/proc/self/status")
	for s := bufio.NewScanner(f); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), ":")
		for _, want := range a {
			if name == want {
				fmt.Println(name, strings.TrimSpace(value))
			}
		}
	}
}

// setuid runs a copy of itself that is root's and has the bit.
func setuid(a []string) {
	out, err := exec.Command(a[0], "user").CombinedOutput()
	fmt.Print(string(out))
	if err != nil {
		fmt.Println(err)
	}
}

func user([]string) { fmt.Println(os.Getuid(), os.Geteuid()) }

// orphans leaves grandchildren that end, and tells how many are not buried.
func orphans([]string) {
	for range 20 {
		exec.Command("/proc/self/exe", "spawn").Run()
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		left, _ := filepath.Glob("/proc/[0-9]*")
		if len(left) <= 2 || time.Now().After(end) {
			fmt.Println(len(left))
			return
		}
	}
}

// spawn leaves a child behind that ends a little later.
func spawn([]string) { exec.Command("/proc/self/exe", "exit", "3").Start() }

func flood(a []string) {
	line := strings.Repeat("x", 99) + "\n"
	w := bufio.NewWriterSize(os.Stdout, 64<<10)
	for range number(a[0]) / len(line) {
		w.WriteString(line)
	}
	w.Flush()
	fmt.Println("end")
}

func read(a []string) {
	b, err := os.ReadFile(a[0])
	if err != nil {
		tell(err)
		return
	}
	fmt.Print(string(b))
}

// links lists a folder.
func links(a []string) {
	all, err := os.ReadDir(a[0])
	if err != nil {
		tell(err)
	}
	for _, e := range all {
		fmt.Println(e.Name())
	}
}

// resized waits until its terminal has a size, tells it and echoes its input.
func resized([]string) {
	var size [4]uint16
	for size[0] == 0 {
		if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, 0, syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size))); e != 0 {
			tell(e)
			return
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Printf("%s %dx%d\n", os.Getenv("TERM"), size[0], size[1])
	io.Copy(os.Stdout, os.Stdin)
}

// nest has a child that does not end by itself.
func nest([]string) {
	exec.Command("/proc/self/exe", "ignore").Start()
	fmt.Println("ready")
	time.Sleep(time.Hour)
}

// drop becomes another user, as many an entrypoint does, and stays.
func drop([]string) {
	if err := syscall.Setuid(1000); err != nil {
		tell(err)
		return
	}
	fmt.Println("ready")
	time.Sleep(time.Hour)
}

// each makes every try in a process of its own, and marks their ends.
func each(a []string) {
	for _, try := range a {
		out, _ := exec.Command("/proc/self/exe", strings.Fields(try)...).CombinedOutput()
		fmt.Printf("%s;;\n", strings.TrimSuffix(string(out), "\n"))
	}
}
