package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
)

// hog takes some five seconds to evaluate.
const hog = `import "list"
_all: list.Range(0, 320, 1)
_pairs: [for a in _all for b in _all {first: a, second: b}]
workloads: web: {kind: "service", image: "r/web:1", labels: pairs: "\(len(_pairs))"}
`

func TestRun_SignalEndsAnEvaluation(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "shop"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "shop", "hog.cue"), []byte(hog), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"validate"}, {"validate", "-o", "json"}, {"render"}, {"plan"}} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		var out, talk bytes.Buffer
		root := newRoot()
		root.SetArgs(append(args, dir))
		root.SetOut(&out)
		root.SetErr(&talk)
		began := time.Now()
		code := run(ctx, root)
		cancel()
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%v: ended after %s", args, took)
		}
		if code != exit.Failure || talk.String() != "bayplan: interrupted\n" || out.Len() > 0 {
			t.Errorf("%v: code %d, %q, %q", args, code, &talk, &out)
		}
	}
}
