// Probe is what the containers of the monitor's tests run: its first argument is
// what to try, and it writes what came of it.
package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		os.Exit(64)
	}
	try, ok := tries[os.Args[1]]
	if !ok {
		fmt.Fprintln(os.Stderr, "no such try:", os.Args[1])
		os.Exit(64)
	}
	try(os.Args[2:])
}

var tries = map[string]func(args []string){
	"exit":     func(a []string) { n, _ := strconv.Atoi(a[0]); os.Exit(n) },
	"say":      func(a []string) { fmt.Println(a[0]) },
	"complain": func(a []string) { fmt.Fprintln(os.Stderr, a[0]) },
	"cat":      func([]string) { io.Copy(os.Stdout, os.Stdin) },
	"sleep":    sleep,
	"ignore":   func([]string) { signal.Ignore(syscall.SIGTERM); fmt.Println("ready"); time.Sleep(time.Hour) },
	"who":      who,
	"env":      func(a []string) { fmt.Println(os.Getenv(a[0])) },
}

// sleep ends with a signal, and names it.
func sleep([]string) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	fmt.Println("ready")
	fmt.Println(<-c)
}

func who([]string) {
	dir, _ := os.Getwd()
	groups, _ := os.Getgroups()
	host, _ := os.Hostname()
	fmt.Println(os.Getuid(), os.Getgid(), groups, dir, os.Getenv("HOME"), host)
}
