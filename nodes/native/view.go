package native

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/images"
	"github.com/bayplan/bayplan/schema"
)

// HostPaths are what a program without an image sees of the machine, read-only,
// where an operator says nothing else: the system's programs and libraries, and of
// /etc what they need and nobody has to hide. A name may be a pattern; those that
// the machine does not have are left out. Of each only its own file system is
// seen, and of no file system the devices or what a set-user-ID bit gives.
var HostPaths = []string{
	"/usr", "/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin",
	"/etc/alternatives", "/etc/java-*-openjdk", "/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types", "/etc/nsswitch.conf",
	"/etc/pki/ca-trust/extracted", "/etc/pki/tls/certs", "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/timezone",
}

// viewFiles are the machine's own no more: who has an account there is nobody's
// business.
var viewFiles = map[string]string{
	"etc/passwd": "root:x:0:0:root:/root:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
	"etc/group":  "root:x:0:\nnogroup:x:65534:\n",
}

// viewTmp bounds what is written to /tmp, which is in memory.
const viewTmp = 64 << 20

// checkHostPaths refuses what would show the machine's inside, or the agent's.
func checkHostPaths(all []string, dir string) error {
	for _, p := range all {
		_, badPattern := filepath.Match(p, "")
		first, _, _ := strings.Cut(strings.TrimPrefix(p, "/"), "/")
		switch {
		case !filepath.IsAbs(p) || filepath.Clean(p) != p || badPattern != nil:
			return fmt.Errorf("host path %q: want an absolute path or pattern, such as /usr", p)
		case slices.Contains([]string{"", "dev", "proc", "run", "sys", "tmp"}, first), strings.ContainsAny(first, "*?["):
			return fmt.Errorf("host path %q: it is not to be seen from inside", p)
		case shows(p, dir):
			return fmt.Errorf("host path %q: the agent's own folder %s is in there", p, dir)
		}
	}
	return nil
}

// shows is whether dir is at or below a path of that pattern.
func shows(pattern, dir string) bool {
	for at := dir; at != "/"; at = filepath.Dir(at) {
		if is, _ := filepath.Match(pattern, at); is {
			return true
		}
	}
	return false
}

// view is the ground of a program that has no image.
func (r *Runtime) view(w *schema.Workload) (ground, error) {
	mounts, links, err := look("/", r.cfg.HostPaths)
	if err != nil {
		return ground{}, fmt.Errorf("what the machine shows: %w", err)
	}
	layer, err := r.names.viewLayer(links)
	if err != nil {
		return ground{}, fmt.Errorf("making the view of the machine: %w", err)
	}
	if !fills(w, "/tmp") {
		mounts = append(mounts, bundle.Mount{Target: "/tmp", Size: viewTmp})
	}
	config := images.RunConfig{User: "nobody"}
	if w.Java != nil {
		config.Env = findJava("/", r.cfg.HostPaths).environment()
	}
	return ground{image: images.Image{Config: config, Layers: []string{layer}}, mounts: mounts, release: func() {}}, nil
}

// fills is whether the workload has something of its own at a path.
func fills(w *schema.Workload, path string) bool {
	for _, v := range w.Volumes {
		if filepath.Clean(v.Path) == path {
			return true
		}
	}
	for _, t := range w.Tmpfs {
		if filepath.Clean(t.Path) == path {
			return true
		}
	}
	return false
}

// look finds what is there of the paths: links stay links, all else is bound. The
// mounts are in the order in which they have to be made.
func look(root string, patterns []string) (mounts []bundle.Mount, links map[string]string, err error) {
	links = map[string]string{}
	var all []string
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(root, p))
		if err != nil {
			return nil, nil, err
		}
		all = append(all, found...)
	}
	slices.Sort(all)
	for _, path := range slices.Compact(all) {
		inside := filepath.Join("/", strings.TrimPrefix(path, filepath.Clean(root)))
		to, err := os.Readlink(path)
		if err == nil {
			links[inside] = to
			continue
		}
		mounts = append(mounts, bundle.Mount{Source: path, Target: inside, ReadOnly: true})
	}
	return mounts, links, nil
}

// viewLayer is the layer with the links and the files, made once for all that see
// the same.
func (n names) viewLayer(links map[string]string) (string, error) {
	text := fmt.Sprint(links, viewFiles) // maps are printed in the order of their keys
	name := fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:16]
	dir := filepath.Join(n.dir, "views", name)
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o711); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := fillView(tmp, links); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err // another start may have been first
	}
	return dir, nil
}

func fillView(dir string, links map[string]string) error {
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	for path, to := range links {
		if err := makeParents(dir, path); err != nil {
			return err
		}
		if err := os.Symlink(to, filepath.Join(dir, path)); err != nil {
			return err
		}
	}
	for path, content := range viewFiles {
		if err := makeParents(dir, path); err != nil {
			return err
		}
		if err := writeFile(filepath.Join(dir, path), content); err != nil {
			return err
		}
	}
	return nil
}

// writeFile writes what every container may read, whatever the umask says.
func writeFile(path, content string) error {
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		return err
	}
	return os.Chmod(path, 0o644)
}

// makeParents makes the folders that a path lies in, whatever the umask says.
func makeParents(dir, path string) error {
	at := dir
	for part := range strings.SplitSeq(strings.Trim(filepath.Dir(filepath.Join("/", path)), "/"), "/") {
		at = filepath.Join(at, part)
		if err := errors.Join(os.MkdirAll(at, 0o755), os.Chmod(at, 0o755)); err != nil {
			return err
		}
	}
	return nil
}
