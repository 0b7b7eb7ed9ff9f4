// Menace is a program that behaves as badly as its argument says, and does not
// end by itself:
//
//	flood    writes lines as fast as it can
//	fork     starts processes without end, and waits for none
//	zombies  starts 20 that end, and waits for none
//
// The zombies' parent then sleeps until SIGTERM; what could not be started is an
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
	case "zombies":
		zombies(20)
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

// zombies starts so many that end, and waits for none.
func zombies(n int) {
	for range n {
		if err := self("end").Start(); err != nil {
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
