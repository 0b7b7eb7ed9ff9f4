package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
)

// hog takes some 0.2 s to evaluate with n = 140, and 1.2 s with 220.
func hog(n int) string {
	return fmt.Sprintf(`import "list"
_all: list.Range(0, %d, 1)
_pairs: [for a in _all for b in _all {first: a, second: b}]
workloads: web: {kind: "service", image: "r/web:1", labels: pairs: "\(len(_pairs))"}
`, n)
}

func TestRun_SignalEndsAnEvaluation(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "shop"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "shop", "hog.cue"), []byte(hog(140)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"validate"}, {"validate", "-o", "json"}, {"render"}, {"plan"}} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		var out, talk bytes.Buffer
		root := newRoot()
		root.SetArgs(append(args, dir))
		root.SetOut(&out)
		root.SetErr(&talk)
		code := run(ctx, root)
		cancel()
		if code != exit.Failure || talk.String() != "bayplan: interrupted\n" || out.Len() > 0 {
			t.Errorf("%v: code %d, %q, %q", args, code, &talk, &out)
		}
	}
}
