package roster

import (
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

func TestSettings_AreALevel(t *testing.T) {
	r := New(time.Now)
	none, newer := r.Settings()
	if none != nil {
		t.Errorf("known before anyone said: %+v", none)
	}
	r.Settle(nodes.Settings{})
	<-newer
	empty, newer := r.Settings()
	r.Settle(nodes.Settings{Registries: []schema.Registry{}})
	if again, _ := r.Settings(); again != empty {
		t.Error("the same again is news")
	}
	r.Settle(nodes.Settings{Registries: []schema.Registry{{Name: "docker.io"}}})
	<-newer
	if s, _ := r.Settings(); len(s.Registries) != 1 {
		t.Errorf("got %+v", s)
	}
}
