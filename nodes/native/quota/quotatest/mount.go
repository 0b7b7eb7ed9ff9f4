// Package quotatest has file systems with project quotas for tests.
package quotatest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Mount is the folder of an ext4 of 64 MiB that can have project quotas, mounted
// with the options: "prjquota" has them enforced. It takes root, mkfs.ext4 and a
// kernel that has quotas; the test is skipped where one is missing.
func Mount(t testing.TB, options string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting takes root")
	}
	dir := t.TempDir()
	image, at := filepath.Join(dir, "image"), filepath.Join(dir, "at")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 64<<20), os.Mkdir(at, 0o755)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-O", "quota,project", "-E", "quotatype=prjquota", image).CombinedOutput(); err != nil {
		t.Skipf("no ext4 with quotas can be made here: %v %s", err, out)
	}
	if out, err := exec.Command("mount", "-t", "ext4", "-o", "loop,"+options, image, at).CombinedOutput(); err != nil {
		t.Skipf("this kernel mounts none with quotas: %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", at).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	return at
}
