package schema

import (
	"reflect"
	"strings"
	"testing"
)

func TestArtifactFile_IsTheLastPartOfTheURL(t *testing.T) {
	for url, want := range map[string]string{
		"https://files.example/a/shop-1.jar":           "shop-1.jar",
		"https://files.example/a/shop-1.jar?v=a/b":     "shop-1.jar",
		"https://files.example/a/":                     "a",
		"https://files.example":                        "artifact",
		"https://files.example/":                       "artifact",
		"https://files.example/..":                     "artifact",
		"https://files.example/a/..":                   "artifact",
		"https://files.example/a/.":                    "artifact",
		"https://files.example?x=/y.jar":               "artifact",
		"http://f.example/" + strings.Repeat("x", 256): "artifact",
	} {
		if got := (&Artifact{URL: url}).File(); got != want {
			t.Errorf("%s: got %q, want %q", url, got, want)
		}
	}
}

func TestArtifactRef_IsReadAsItWasWritten(t *testing.T) {
	yes, no := true, false
	for _, unpack := range []*bool{nil, &yes, &no} {
		a := Artifact{URL: "https://files.example/x.tgz?a=b%20c", SHA256: strings.Repeat("a", 64), Path: "/a folder/x", Unpack: unpack}
		got, ok := ParseArtifactRef(a.Ref())
		if !ok || !reflect.DeepEqual(got, a) {
			t.Errorf("%s: got %+v, %t", a.Ref(), got, ok)
		}
	}
	for _, ref := range []string{"", "shop/web:1", "artifact", "artifact sha256:", "artifact sha256:00 auto https://x"} {
		if a, ok := ParseArtifactRef(ref); ok {
			t.Errorf("%q: got %+v", ref, a)
		}
	}
}

func TestProgram(t *testing.T) {
	app := &Artifact{URL: "https://files.example/shop.jar?v=1", Path: "/app/"}
	for _, c := range []struct {
		name string
		w    Workload
		want string
	}{
		{"the image's own", Workload{Image: "x"}, ""},
		{"a command", Workload{Command: []string{"a", "b"}, Args: []string{"c"}}, "a b c"},
		{"the artifact itself", Workload{Artifact: app, Java: &Java{}, Args: []string{"x"}}, "java -jar /app/shop.jar x"},
		{"options", Workload{Artifact: app, Java: &Java{Options: []string{"-Xss1m", "-ea"}}}, "java -Xss1m -ea -jar /app/shop.jar"},
		{"a JAR inside", Workload{Artifact: app, Java: &Java{Jar: "lib/a.jar"}}, "java -jar /app/lib/a.jar"},
		{"a JAR elsewhere", Workload{Artifact: app, Java: &Java{Jar: "/srv/a.jar"}}, "java -jar /srv/a.jar"},
		{"the image's JAR", Workload{Image: "x", Java: &Java{Jar: "a.jar"}}, "java -jar a.jar"},
		{"a class of a JAR", Workload{Artifact: app, Java: &Java{Jar: "a.jar", Main: "a.Main"}}, "java -cp /app/a.jar a.Main"},
		{"a class of the artifact", Workload{Artifact: app, Java: &Java{Main: "a.Main"}, Args: []string{"x"}}, "java -cp /app:/app/* a.Main x"},
	} {
		entrypoint, args := c.w.Program()
		if got := strings.Join(append(entrypoint, args...), " "); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// What a program is put together from is nobody else's to be written over.
func TestProgram_LeavesTheWorkloadAlone(t *testing.T) {
	options := append(make([]string, 0, 8), "-ea")
	w := Workload{Artifact: &Artifact{Path: "/app"}, Java: &Java{Options: options}}
	w.Program()
	if got := options[:2][1]; got != "" {
		t.Errorf("an option became %q", got)
	}
}

func TestNeeds(t *testing.T) {
	zone := Constraint{Attribute: "zone", Op: "exists"}
	names := func(w Workload) string {
		var all []string
		for _, c := range w.Needs() {
			all = append(all, strings.TrimSpace(c.Attribute+" "+c.Op+" "+c.Value))
		}
		return strings.Join(all, ", ")
	}
	app := &Artifact{}
	for want, w := range map[string]Workload{
		"zone exists":                                {Image: "x", Java: &Java{Jar: "a.jar"}, Constraints: []Constraint{zone}},
		"zone exists, runtime = native":              {Artifact: app, Constraints: []Constraint{zone}},
		"runtime = native":                           {Image: "x", Artifact: app, Java: &Java{}},
		"runtime = native, java exists":              {Artifact: app, Java: &Java{}},
		"zone exists, runtime = native, java exists": {Artifact: app, Java: &Java{}, Constraints: []Constraint{zone}},
		"host-volume.b exists, host-volume.c = rw": {Image: "x", Volumes: map[string]Volume{
			"own": {Path: "/a"}, "read": {Path: "/b", Host: "b", ReadOnly: true}, "write": {Path: "/c", Host: "c"}}},
		"runtime = native, host-volume.c = rw": {Artifact: app, Volumes: map[string]Volume{"write": {Path: "/c", Host: "c"}}},
	} {
		if got := names(w); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A digest that a running container carries must never change by an upgrade of
// the server: this one is of before there were artifacts.
func TestDigest_OfAnImageStays(t *testing.T) {
	w := sample()
	if got := w.Digest().Short(); got != "6aef2206b26e" {
		t.Errorf("got %s", got)
	}
}

// The same bytes from elsewhere are no reason for a restart; other bytes, or
// elsewhere in the container, are.
func TestDigest_OfAnArtifactIsItsContents(t *testing.T) {
	base := Workload{Artifact: &Artifact{URL: "https://a.example/x.jar", SHA256: "aa", Path: "/app"}}
	unpack := true
	for _, c := range []struct {
		a    Artifact
		same bool
	}{
		{Artifact{URL: "http://b.example/2/x.jar?token=1", SHA256: "aa", Path: "/app/"}, true},
		{Artifact{URL: "https://a.example/y.jar", SHA256: "aa", Path: "/app"}, false},
		{Artifact{URL: "https://a.example/x.jar", SHA256: "bb", Path: "/app"}, false},
		{Artifact{URL: "https://a.example/x.jar", SHA256: "aa", Path: "/srv"}, false},
		{Artifact{URL: "https://a.example/x.jar", SHA256: "aa", Path: "/app", Unpack: &unpack}, false},
	} {
		other := Workload{Artifact: &c.a}
		if same := base.Digest() == other.Digest(); same != c.same {
			t.Errorf("%+v: the same digest is %t", c.a, same)
		}
	}
}

func TestSource_IsWhatPeopleLookFor(t *testing.T) {
	jar := &Artifact{URL: "https://apps.example/app.jar"}
	for want, w := range map[string]*Workload{
		"r/web:1":                                 {Image: "r/web:1"},
		"https://apps.example/app.jar":            {Artifact: jar},
		"https://apps.example/app.jar over r/jre": {Artifact: jar, Image: "r/jre"},
	} {
		if got := w.Source(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
