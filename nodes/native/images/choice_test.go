package images

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bayplan/bayplan/schema"
)

func TestChoose_TakesTheBestForThePlatform(t *testing.T) {
	for _, c := range []struct {
		want string
		have []string
		best string // "" is none
	}{
		{"linux/amd64", []string{"linux/arm64", "linux/amd64"}, "linux/amd64"},
		{"linux/amd64", []string{"linux/amd64/v3", "linux/amd64"}, "linux/amd64"},
		{"linux/amd64", []string{"linux/amd64/v3"}, ""},
		{"linux/amd64/v3", []string{"linux/amd64", "linux/amd64/v3"}, "linux/amd64/v3"},
		{"linux/amd64/v2", []string{"linux/amd64/v3", "linux/amd64"}, "linux/amd64"},
		{"linux/arm64", []string{"linux/arm/v7", "linux/arm64/v8"}, "linux/arm64/v8"},
		{"linux/arm64/v8", []string{"linux/arm64"}, "linux/arm64"},
		{"linux/arm/v7", []string{"linux/arm/v6", "linux/arm/v7"}, "linux/arm/v7"},
		{"linux/arm/v7", []string{"linux/arm/v6"}, ""},
		{"linux/arm", []string{"linux/arm/v6", "linux/arm/v7"}, "linux/arm/v6"},
		{"linux/amd64", []string{"windows/amd64", "unknown/unknown"}, ""},
		{"linux/amd64", nil, ""},
		{"linux/amd64", []string{"linux/arm64", "-"}, "-"},
		{"linux/amd64", []string{"-", "linux/amd64"}, "linux/amd64"},
	} {
		digests := map[string]string{}
		list := v1.IndexManifest{SchemaVersion: 2}
		for i, text := range c.have {
			p, err := v1.ParsePlatform(text)
			if err != nil {
				t.Fatal(err)
			}
			if text == "-" {
				p = nil
			}
			h := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat(fmt.Sprint(i), 64)}
			digests[h.String()] = text
			list.Manifests = append(list.Manifests, v1.Descriptor{Digest: h, Platform: p})
		}
		want, err := v1.ParsePlatform(c.want)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		got, err := choose(text, *want)
		if digests[got] != c.best || (err == nil) != (c.best != "") {
			t.Errorf("%s of %v: got %q, %v; want %q", c.want, c.have, digests[got], err, c.best)
		}
	}
}

func TestReference_Keys(t *testing.T) {
	sum := "sha256:" + strings.Repeat("a", 64)
	for given, want := range map[string]string{
		"web":                         "index.docker.io/library/web:latest",
		"shop/web:1":                  "index.docker.io/shop/web:1",
		"docker.io/shop/web:1":        "index.docker.io/shop/web:1",
		"registry.example:5000/web":   "registry.example:5000/web:latest",
		"localhost:5000/web:1":        "localhost:5000/web:1",
		"web@" + sum:                  sum,
		"registry.example/web@" + sum: sum,
		"registry.example/w:1@" + sum: sum,
		sum:                           sum,
	} {
		r, err := parseReference(given)
		if err != nil || r.key() != want {
			t.Errorf("%s: %q, %v; want %q", given, r.key(), err, want)
		}
	}
}

func TestSources_MirrorsBeforeTheRegistry(t *testing.T) {
	s := &Store{cfg: Config{PlainHTTP: []string{"plain.example"}, Mirrors: map[string][]string{
		"docker.io":        {"mirror.example:5000/hub", "http://10.0.0.1:5000/"},
		"registry.example": {"https://plain.example"},
		"bad.example":      {"http://[::1"},
	}}}
	s.SetRegistries([]schema.Registry{{Name: "index.docker.io", Mirrors: []string{"last.example"}}})
	for given, want := range map[string]string{
		"web:1":                  "https mirror.example:5000/hub/library/web, http 10.0.0.1:5000/library/web, https last.example/library/web, https index.docker.io/library/web",
		"registry.example/a/b:1": "http plain.example/a/b, https registry.example/a/b",
		"other.example/a:1":      "https other.example/a",
		"plain.example/a:1":      "http plain.example/a",
	} {
		r, err := parseReference(given)
		if err != nil {
			t.Fatal(err)
		}
		list, err := s.sources(r.parsed.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range list {
			got = append(got, o.repo.Scheme()+" "+o.repo.Name())
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %q, want %q", given, got, want)
		}
	}
	r, _ := parseReference("bad.example/a:1")
	if _, err := s.sources(r.parsed.Context()); err == nil || !strings.Contains(err.Error(), "mirror http://[::1 of bad.example") {
		t.Errorf("a mirror that is no address: %v", err)
	}
}
