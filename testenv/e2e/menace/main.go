// Menace is a program that behaves as badly as its argument says, and does not
// end by itself:
//
//	flood    writes lines as fast as it can
//	fork     starts processes without end, and waits for none
//	orphans  leaves 300 processes that end behind, one after the other
//	zombies  starts 20 that end, and waits for none
//
// Orphans and zombies then sleep until SIGTERM; what could not be started is an
// end with 5.
package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	switch os.Args[1] {
	case "flood":
		flood()
	case "fork":
		fork()
	case "orphans":
		repeat(300, "orphan", (*exec.Cmd).Run)
	case "zombies":
		repeat(20, "end", (*exec.Cmd).Start)
	case "orphan":
		if self("linger").Start() != nil {
			os.Exit(5)
		}
	case "linger":
		time.Sleep(20 * time.Millisecond) // its parent ends before it does
	case "sleep":
		sleep()
	}
}

func flood() {
	w := bufio.NewWriterSize(os.Stdout, 64<<10)
	for line := strings.Repeat("all work and no play ", 5) + "\n"; ; {
		if _, err := w.WriteString(line); err != nil {
			os.Exit(1)
		}
	}
}

func fork() {
	for n := 0; ; {
		if self("sleep").Start() == nil {
			n++
			continue
		}
		fmt.Println("there are", n)
		time.Sleep(100 * time.Millisecond)
	}
}

// repeat starts that many of one kind.
func repeat(times int, kind string, start func(*exec.Cmd) error) {
	for range times {
		if err := start(self(kind)); err != nil {
			fmt.Println(err)
			os.Exit(5)
		}
	}
	fmt.Println("done")
	sleep()
}

func self(kind string) *exec.Cmd { return exec.Command("/proc/self/exe", kind) }

func sleep() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	<-told
}
