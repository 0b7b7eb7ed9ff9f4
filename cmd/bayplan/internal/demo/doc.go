// Package demo holds the images of the sample and a registry that serves them
// to the engines of this machine, so that `bayplan dev` needs no network and
// nothing but an engine.
//
// There are three images, hello:1, hello:2 and hello:bad, of one layer: they
// differ in the environment alone. The same binary of bayplan always makes the
// same digests.
package demo
