package registries

import (
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/bayplan/bayplan/schema"
)

func TestAccess_PlainHTTPOnlyWhereItIsSaid(t *testing.T) {
	a := NewAccess(map[string][]string{"docker.io": {"mirror.example", "http://10.0.0.1:5000/hub"}}, []string{"plain.example:80"},
		[]schema.Registry{{Name: "later.example", PlainHTTP: true}, {Name: "tls.example", Mirrors: []string{"https://10.0.0.2"}}})
	for host, want := range map[string]bool{
		"10.0.0.1:5000": true, "later.example": true, "10.0.0.2": false, "plain.example:80": true, "mirror.example": false, "10.0.0.1": false, "plain.example": false,
	} {
		if a.MayBePlain(host) != want {
			t.Errorf("%s: %v", host, !want)
		}
	}
}

// What a machine was told itself is asked before what the cluster says.
func TestAccess_OwnMirrorsComeFirst(t *testing.T) {
	a := NewAccess(map[string][]string{"index.docker.io": {"own.example"}}, nil,
		[]schema.Registry{{Name: "docker.io", Mirrors: []string{"http://all.example/hub"}}})
	repo, err := name.NewRepository("web")
	if err != nil {
		t.Fatal(err)
	}
	places, err := a.Sources(repo)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range places {
		got = append(got, p.Scheme()+" "+p.Name())
	}
	want := "https own.example/library/web, http all.example/hub/library/web, https index.docker.io/library/web"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got %s, want %s", s, want)
	}
}
