package examples

import (
	"io/fs"
	"strings"
	"testing"
)

// dev puts the image of its own registry in place of this one.
func TestHello_NamesTheImageThatDevReplaces(t *testing.T) {
	b, err := fs.ReadFile(Hello(), "hello/web.cue")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), `"registry.example/hello:1"`) {
		t.Errorf("hello/web.cue:\n%s", b)
	}
}

func TestHelloServer_IsAProgram(t *testing.T) {
	if !strings.Contains(string(HelloServer()), "package main") {
		t.Error("no package main")
	}
}
