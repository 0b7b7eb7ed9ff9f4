package ledger

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/reconciler"
)

// used is a data folder that a ledger of three nodes left behind.
func used(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	l := open(t, dir)
	if err := campaign(t, l).Record(t.Context(), reconciler.Facts{}, clusterOf(3, 2), nil); err != nil {
		t.Fatal(err)
	}
	closed(t, l)
	return dir
}

// Each kind of damage is told in words, and the process lives on. The damaged
// ledgers are opened in a process of their own, since etcd leaves half of
// itself behind.
func TestOpen_DamagedData(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string){
		"database of noise":     func(t *testing.T, dir string) { overwrite(t, dir, "snap/db", 0, noise(64<<10)) },
		"database's first page": func(t *testing.T, dir string) { overwrite(t, dir, "snap/db", 0, strings.Repeat("\x00", 8<<10)) },
		"database cut short":    func(t *testing.T, dir string) { cut(t, dir, "snap/db", 100) },
		"log of noise":          func(t *testing.T, dir string) { overwrite(t, dir, "wal/*.wal", 0, noise(64<<10)) },
		"log's checksums":       func(t *testing.T, dir string) { overwrite(t, dir, "wal/*.wal", 300, noise(40)) },
		"log without a file":    func(t *testing.T, dir string) { rename(t, dir, "wal/*.wal") },
		"file in the folder":    replaceByFile,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := used(t)
			damage(t, dir)
			got := childOutput(t, "open", dir)
			if !strings.HasPrefix(got, "error: ") || !strings.Contains(got, "etcd") {
				t.Errorf("got %s", got)
			}
		})
	}
}

// A log whose last record was cut off, as a power cut leaves it, is repaired.
func TestOpen_TornLogIsRepaired(t *testing.T) {
	dir := used(t)
	path := member1(t, dir, "wal/*.wal")
	log, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cut(t, dir, "wal/*.wal", int64(len(bytes.TrimRight(log, "\x00")))-3)
	if got := childOutput(t, "open", dir); got != "opened: 3 <nil>\n" {
		t.Errorf("got %s", got)
	}
}

func member1(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "etcd/member", pattern))
	if err != nil || len(found) == 0 {
		t.Fatal(pattern, found, err)
	}
	return found[len(found)-1]
}

func overwrite(t *testing.T, dir, pattern string, at int64, text string) {
	t.Helper()
	f, err := os.OpenFile(member1(t, dir, pattern), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(text), at); err != nil {
		t.Fatal(err)
	}
}

func cut(t *testing.T, dir, pattern string, size int64) {
	t.Helper()
	if err := os.Truncate(member1(t, dir, pattern), size); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, dir, pattern string) {
	t.Helper()
	path := member1(t, dir, pattern)
	if err := os.Rename(path, filepath.Join(filepath.Dir(path), "00000000000000ff-00000000000000ff.wal")); err != nil {
		t.Fatal(err)
	}
}

func replaceByFile(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "etcd")
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, fs.FileMode(0o600)); err != nil {
		t.Fatal(err)
	}
}
