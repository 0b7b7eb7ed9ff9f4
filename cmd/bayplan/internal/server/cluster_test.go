package server

import (
	"crypto/tls"
	"os"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes/wire"
)

// The operator's credentials stay over a restart, and are made anew when they
// are of no use: half written, of another CA, near their end, damaged.
func TestWriteOperator_RenewsWhatIsOfNoUse(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ca, other := newCA(t, now), newCA(t, now)
	for name, c := range map[string]struct {
		spoil func(t *testing.T, f operatorFiles)
		later time.Duration
		stays bool
	}{
		"nothing wrong":      {func(*testing.T, operatorFiles) {}, 24 * time.Hour, true},
		"two thirds over":    {func(*testing.T, operatorFiles) {}, operatorLife*2/3 + time.Hour, false},
		"key of another":     {func(t *testing.T, f operatorFiles) { overwrite(t, f.key, strangers(t, ca, now).key) }, 0, false},
		"cert of another":    {func(t *testing.T, f operatorFiles) { overwrite(t, f.cert, strangers(t, ca, now).cert) }, 0, false},
		"key is gone":        {func(t *testing.T, f operatorFiles) { remove(t, f.key) }, 0, false},
		"key is empty":       {func(t *testing.T, f operatorFiles) { write(t, f.key, nil) }, 0, false},
		"cert is no PEM":     {func(t *testing.T, f operatorFiles) { write(t, f.cert, []byte("x")) }, 0, false},
		"CA of another time": {func(t *testing.T, f operatorFiles) { write(t, f.ca, other.PEM()) }, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f, err := writeOperator(dir, ca, now)
			if err != nil {
				t.Fatal(err)
			}
			c.spoil(t, f)
			before := read(t, f.cert)
			if f, err = writeOperator(dir, ca, now.Add(c.later)); err != nil {
				t.Fatal(err)
			}
			if _, err := tls.LoadX509KeyPair(f.cert, f.key); err != nil || string(read(t, f.ca)) != string(ca.PEM()) {
				t.Errorf("what is there is of no use: %v", err)
			}
			if stays := string(before) == string(read(t, f.cert)); stays != c.stays {
				t.Errorf("stays: %v", stays)
			}
			if info, err := os.Stat(f.key); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the key's mode: %v %v", info.Mode(), err)
			}
		})
	}
}

// strangers are credentials of the same CA in another folder.
func strangers(t *testing.T, ca *wire.CA, now time.Time) operatorFiles {
	f, err := writeOperator(t.TempDir(), ca, now)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func newCA(t *testing.T, now time.Time) *wire.CA {
	ca, err := wire.NewCA("harbour-1", now)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func overwrite(t *testing.T, path, by string) { write(t, path, read(t, by)) }

func write(t *testing.T, path string, text []byte) {
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return text
}

func remove(t *testing.T, path string) {
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
