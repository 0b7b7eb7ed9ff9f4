package main

import "fmt"

// int80 is getpid as a program for 386 would call it.
func int80()

func init() {
	tries["int80"] = func([]string) { int80(); fmt.Println("done") }
}
