package schema

import (
	"path"
	"slices"
	"strings"
)

// Artifact is an archive that a node fetches, verifies and unpacks.
type Artifact struct {
	URL string `json:"url"`
	// SHA256 of what the URL leads to, 64 digits in lower case: the artifact's
	// identity, whatever the URL is.
	SHA256 string `json:"sha256"`
	// Path is the folder inside that it is unpacked into.
	Path string `json:"path"`
	// Unpack is whether it is unpacked; nil is for all but a JAR.
	Unpack *bool `json:"unpack,omitempty"`
}

// File is what the artifact is called in its folder where it stays a file: the
// last part of the URL's path.
func (a *Artifact) File() string {
	_, rest, _ := strings.Cut(a.URL, "://")
	rest, _, _ = strings.Cut(rest, "?")
	_, where, _ := strings.Cut(rest, "/")
	name := path.Base("/" + where)
	if name == "/" || name == "." || name == ".." || len(name) > 255 {
		return "artifact"
	}
	return name
}

// Folder is Path without what a path may have too much of.
func (a *Artifact) Folder() string { return path.Clean("/" + a.Path) }

const artifactRef = "artifact sha256:"

// Ref is the artifact as one line that names all of it: what a node is asked to
// have present, as it is an image's reference. [ParseArtifactRef] reads it.
func (a *Artifact) Ref() string {
	unpack := "auto"
	if a.Unpack != nil {
		unpack = map[bool]string{true: "unpack", false: "keep"}[*a.Unpack]
	}
	return artifactRef + a.SHA256 + " " + unpack + " " + a.URL + " " + a.Path
}

// ParseArtifactRef is false for what is no artifact's, such as an image's: no
// image's has a space.
func ParseArtifactRef(ref string) (Artifact, bool) {
	rest, ok := strings.CutPrefix(ref, artifactRef)
	parts := strings.SplitN(rest, " ", 4)
	if !ok || len(parts) != 4 {
		return Artifact{}, false
	}
	a := Artifact{SHA256: parts[0], URL: parts[2], Path: parts[3]}
	if i := slices.Index([]string{"keep", "unpack"}, parts[1]); i >= 0 {
		unpack := i == 1
		a.Unpack = &unpack
	}
	return a, true
}

// Java says how a Java program is run.
type Java struct {
	Jar     string   `json:"jar,omitempty"`
	Main    string   `json:"main,omitempty"`
	Options []string `json:"options,omitempty"`
}

// Source is what the workload is made of, for people: its image, or its artifact's
// URL, with the image that it lies over if it has one.
func (w *Workload) Source() string {
	switch {
	case w.Artifact == nil:
		return w.Image
	case w.Image == "":
		return w.Artifact.URL
	}
	return w.Artifact.URL + " over " + w.Image
}

// Program is what takes the place of an image's entrypoint and of its arguments;
// an empty entrypoint leaves the image its own.
func (w *Workload) Program() (entrypoint, args []string) {
	if w.Java == nil {
		return w.Command, w.Args
	}
	j, folder := w.Java, ""
	if w.Artifact != nil {
		folder = w.Artifact.Folder()
	}
	jar := j.Jar
	if jar == "" && w.Artifact != nil && j.Main == "" {
		jar = w.Artifact.File()
	}
	if jar != "" && !path.IsAbs(jar) && folder != "" {
		jar = path.Join(folder, jar)
	}
	entrypoint = append([]string{"java"}, j.Options...)
	switch {
	case j.Main == "":
		return append(entrypoint, "-jar", jar), w.Args
	case jar != "":
		return append(entrypoint, "-cp", jar, j.Main), w.Args
	}
	return append(entrypoint, "-cp", folder+":"+folder+"/*", j.Main), w.Args
}

// Needs are the workload's constraints and those that what it runs brings along:
// an archive is for nodes with the built-in runtime, a Java program without an
// image for those that have a JVM, and a host volume for those that declare it.
func (w *Workload) Needs() []Constraint {
	if w.Artifact == nil && !w.usesHostVolumes() {
		return w.Constraints
	}
	return slices.Concat(w.Constraints, w.runs(), w.hostVolumes())
}

// runs are the constraints that the artifact stands for.
func (w *Workload) runs() []Constraint {
	switch {
	case w.Artifact == nil:
		return nil
	case w.Java != nil && w.Image == "":
		return needJava
	}
	return needNative
}

var (
	needNative = []Constraint{{Attribute: "runtime", Op: "=", Value: "native"}}
	needJava   = append(slices.Clone(needNative), Constraint{Attribute: "java", Op: "exists"})
)

// content is the artifact without where it comes from.
func (a *Artifact) content() *Artifact {
	if a == nil {
		return nil
	}
	return &Artifact{URL: a.File(), SHA256: a.SHA256, Path: a.Folder(), Unpack: a.Unpack}
}
