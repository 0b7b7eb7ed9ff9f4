package signed

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// gpg runs the real one, at the time at which the test's commits are made.
func (d *desk) gpg(args ...string) string {
	d.t.Helper()
	return d.run("gpg", append([]string{"--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "", "--faked-system-time",
		fmt.Sprintf("%d!", made.Unix())}, args...)...)
}

// person makes a key that lives for so long; the commits are signed by a program
// that knows the time.
func (d *desk) person(name, life string) {
	d.t.Helper()
	d.gpg("--quick-generate-key", name+" <"+name+"@example.org>", "ed25519", "sign", life)
}

func newPGPDesk(t *testing.T) *desk {
	d := newDesk(t, "gpg", "gpgconf")
	home := filepath.Join(d.dir, "gnupg")
	program := filepath.Join(d.dir, "gpg-then")
	script := fmt.Sprintf("#!/bin/sh\nexec gpg --batch --no-tty --pinentry-mode loopback --passphrase '' --faked-system-time %d! \"$@\"\n", made.Unix())
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	d.git("config", "gpg.program", program)
	t.Cleanup(func() { d.run("gpgconf", "--kill", "all") })
	return d
}

func TestCheck_OpenPGP(t *testing.T) {
	d := newPGPDesk(t)
	for name, life := range map[string]string{"ann": "1y", "bob": "1y", "carol": "seconds=43200", "dave": "1y"} {
		d.person(name, life)
	}
	raw := map[string][]byte{}
	for _, name := range []string{"ann", "bob", "carol", "dave"} {
		raw[name] = d.commit("openpgp", name+"@example.org")
	}
	revoke, err := filepath.Glob(filepath.Join(d.dir, "gnupg", "openpgp-revocs.d", strings.TrimSpace(d.fingerprint("dave"))+".rev"))
	if err != nil || len(revoke) != 1 {
		t.Fatal(revoke, err)
	}
	d.gpg("--import", d.write(strings.Replace(d.read(revoke[0]), ":-----BEGIN", "-----BEGIN", 1)))
	ring := d.gpg("--export", "--armor", "ann@example.org") + "some words between\n" + d.gpg("--export", "--armor", "carol@example.org", "dave@example.org")
	k := d.keys(Files{OpenPGP: d.write(ring)})

	ann := "ann <ann@example.org> with the key " + strings.TrimSpace(d.fingerprint("ann"))
	d.wants(k, raw["ann"], ann, "")
	d.wants(k, raw["bob"], "", Unknown, strings.TrimSpace(d.fingerprint("bob")))
	d.wants(k, raw["carol"], "", Expired, "carol@example.org", "expired")
	d.wants(k, raw["dave"], "", Revoked, "dave@example.org", "revoked")
	d.wants(k, bytes.Replace(raw["ann"], []byte("a commit"), []byte("another"), 1), "", Bad, "does not fit")
	d.wants(k, d.commit("", ""), "", Unsigned)
	if _, err := k.Check(raw["ann"], made, made.Add(-time.Hour)); err == nil {
		t.Error("a signature of the future counts")
	}
	if _, err := k.Check(raw["carol"], made, made.Add(time.Hour)); err != nil {
		t.Errorf("before the key expired: %v", err)
	}
}

func (d *desk) fingerprint(name string) string {
	d.t.Helper()
	for line := range strings.Lines(d.gpg("--with-colons", "--list-keys", name+"@example.org")) {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" {
			return fields[9]
		}
	}
	d.t.Fatal("no fingerprint of ", name)
	return ""
}

// A subkey signs for the key that it belongs to.
func TestCheck_OpenPGPSubkey(t *testing.T) {
	d := newPGPDesk(t)
	d.gpg("--quick-generate-key", "ann <ann@example.org>", "ed25519", "cert", "1y")
	d.gpg("--quick-add-key", d.fingerprint("ann"), "ed25519", "sign", "1y")
	k := d.keys(Files{OpenPGP: d.write(d.gpg("--export", "--armor", "ann@example.org"))})
	d.wants(k, d.commit("openpgp", "ann@example.org"), "ann <ann@example.org> with the key "+d.fingerprint("ann"), "")
}

func TestCheck_OpenPGPWeakHash(t *testing.T) {
	d := newPGPDesk(t)
	d.gpg("--quick-generate-key", "ann <ann@example.org>", "rsa2048", "sign", "1y")
	d.run("sh", "-c", "echo 'digest-algo SHA1\nallow-weak-digest-algos' >gnupg/gpg.conf")
	k := d.keys(Files{OpenPGP: d.write(d.gpg("--export", "--armor", "ann@example.org"))})
	d.wants(k, d.commit("openpgp", "ann@example.org"), "", Bad, "SHA-1")
}
