package native

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// jvm is a Java runtime of the machine; the zero value is none.
type jvm struct{ home, version string }

// jvmDir is where distributions install them.
const jvmDir = "/usr/lib/jvm"

// findJava is the JVM that the machine's `java` is, or else the newest, among
// those that programs see. It is told by the file that each carries; none is
// started.
func findJava(root string, seen []string) jvm {
	if !slices.ContainsFunc(seen, func(p string) bool { return shows(p, jvmDir) }) {
		return jvm{}
	}
	releases, _ := filepath.Glob(filepath.Join(root, jvmDir, "*", "release"))
	var best jvm
	for _, file := range releases {
		home := filepath.Dir(file)
		one := jvm{home: filepath.Join("/", strings.TrimPrefix(home, filepath.Clean(root))), version: javaVersion(file)}
		info, err := os.Stat(filepath.Join(home, "bin/java"))
		if err != nil || info.Mode()&0o111 == 0 || one.version == "" {
			continue
		}
		if usual(root, home) {
			return one
		}
		if best.version == "" || newer(one.version, best.version) {
			best = one
		}
	}
	return best
}

// Java is the version and the home of the JVM that programs without an image find
// on this machine; empty where there is none.
func Java(hostPaths []string) (version, home string) {
	j := findJava("/", hostPaths)
	return j.version, j.home
}

// usual is whether the machine's `java` is of that JVM.
func usual(root, home string) bool {
	java, err := filepath.EvalSymlinks(filepath.Join(root, "usr/bin/java"))
	if err != nil {
		return false
	}
	own, err := filepath.EvalSymlinks(filepath.Join(home, "bin/java"))
	return err == nil && own == java
}

// javaVersion reads JAVA_VERSION="17.0.15"; "" where it is not there.
func javaVersion(release string) string {
	b, err := os.ReadFile(release)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "JAVA_VERSION="); ok {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

// newer compares by numbers: 17.0.15 is newer than 17.0.9.
func newer(a, b string) bool {
	return slices.CompareFunc(strings.FieldsFunc(a, noDigit), strings.FieldsFunc(b, noDigit), func(a, b string) int {
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		return cmp.Compare(x, y)
	}) > 0
}

func noDigit(r rune) bool { return r < '0' || r > '9' }

// environment makes a JVM the first that is found.
func (j jvm) environment() []string {
	if j.home == "" {
		return nil
	}
	name, path, _ := strings.Cut(usualPath, "=")
	return []string{"JAVA_HOME=" + j.home, name + "=" + j.home + "/bin:" + path}
}

// attributes are what constraints see of the machine.
func (j jvm) attributes() map[string]string {
	if j.version == "" {
		return nil
	}
	return map[string]string{"java": j.version}
}
