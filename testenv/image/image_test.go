package image_test

import (
	"net/http"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/bayplan/bayplan/testenv/image"
)

func TestProgram_IsAValidImageOfOneDigest(t *testing.T) {
	one, again, two := image.Program(t, "1"), image.Program(t, "1"), image.Program(t, "2")
	layers, err := one.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	if err := validate.Layer(layers[0]); err != nil {
		t.Fatal(err)
	}
	d1, _ := one.Digest()
	d1again, _ := again.Digest()
	d2, _ := two.Digest()
	if d1 != d1again || d1 == d2 {
		t.Fatalf("digests %s, %s of version 1 and %s of version 2", d1, d1again, d2)
	}
}

func TestRegistry_LocksBreaksAndComesBack(t *testing.T) {
	r := image.NewRegistry(t)
	ref := r.Push(t, "shop/web:1", image.Program(t, "1"))
	get := func(auth authn.Authenticator) error {
		parsed, err := name.ParseReference(ref)
		if err != nil {
			t.Fatal(err)
		}
		_, err = remote.Head(parsed, remote.WithAuth(auth))
		return err
	}
	expect := func(what string, err error, fine bool) {
		t.Helper()
		if (err == nil) != fine {
			t.Fatalf("%s: %v", what, err)
		}
	}
	expect("open", get(authn.Anonymous), true)
	r.Lock("ann", "secret")
	expect("locked", get(authn.Anonymous), false)
	expect("wrong password", get(&authn.Basic{Username: "ann", Password: "x"}), false)
	expect("right password", get(&authn.Basic{Username: "ann", Password: "secret"}), true)
	r.Lock("", "")
	r.Break(http.StatusForbidden)
	expect("broken", get(authn.Anonymous), false)
	r.Break(0)
	r.Down()
	expect("down", get(authn.Anonymous), false)
	r.Up(t)
	expect("up again", get(authn.Anonymous), true)
}
