package schema

import (
	"slices"
	"strings"
)

// ImageRule says what is wrong where there is nothing to run.
const ImageRule = `is missing: want an image such as "registry.example/shop/web:1.9.0", or an artifact`

// program checks what is to run at all.
func (c *checker) program() {
	w := c.w
	if w.Image == "" && w.Artifact == nil {
		c.add([]string{"image"}, ImageRule)
		return
	}
	if w.Image == "" && w.Java == nil && len(w.Command) == 0 {
		c.add([]string{"command"}, `is missing: an artifact without an image says by command or java what it runs, such as ["./bin/web"]`)
	}
	c.artifact()
	c.java()
}

// taken are the folders that are links in most images, that the kernel's own
// files lie over, or that are empty at each start.
var taken = []string{"bin", "dev", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "sys", "tmp"}

// hosts are folders that, without an image, are the node's.
var hosts = []string{"etc", "usr"}

func (c *checker) artifact() {
	a := c.w.Artifact
	if a == nil {
		return
	}
	at := []string{"artifact", "path"}
	first, _, _ := strings.Cut(strings.TrimPrefix(a.Folder(), "/"), "/")
	switch {
	case slices.Contains(strings.Split(a.Path, "/"), ".."):
		c.add(at, "want an absolute path without ..")
	case first == "":
		c.add(at, "an artifact cannot take the place of the container's root")
	case slices.Contains(taken, first), c.w.Image == "" && slices.Contains(hosts, first):
		c.add(at, "/%s is not the artifact's to lie in: want a folder of its own, such as \"/app\"", first)
	}
}

func (c *checker) java() {
	j := c.w.Java
	switch {
	case j == nil:
	case len(c.w.Command) > 0:
		c.add([]string{"command"}, "java says what runs: leave command out, and give the program's own arguments in args")
	case c.w.Artifact == nil && j.Jar == "":
		c.add([]string{"java"}, "jar is missing: the path of the JAR in the image")
	case c.w.Artifact != nil && j.Jar == "" && j.Main == "" && c.w.Artifact.Unpack != nil && *c.w.Artifact.Unpack:
		c.add([]string{"java"}, "jar or main is missing: the artifact is unpacked, and no file to run by itself")
	}
}
