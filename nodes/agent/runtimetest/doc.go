// Package runtimetest is the contract of [agent.Runtime] as a test suite. Every
// runtime passes it: the working fake of testenv and the real ones.
//
// What runs in the containers is told as steps (see the package steps). A real
// engine runs the image of testenv/image, which takes them for its arguments; a
// fake makes whatever behaves so of them, and may leave out the tests that look
// inside a container.
package runtimetest
