package agent_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/schema"
)

func TestParseHostVolumes_SaysWhatIsWrong(t *testing.T) {
	for line, want := range map[string]string{
		"media":                 "want NAME=FOLDER",
		"=/srv/media":           "want NAME=FOLDER",
		"Media=/srv/media":      "want a name of a-z",
		"media=":                "no absolute path",
		"media=srv/media":       "no absolute path",
		"media=/srv/../etc":     "no absolute path without ..",
		"media=/srv//media":     "no absolute path",
		"media=/a,again=/b:rox": "",
	} {
		_, err := agent.ParseHostVolumes([]string{line})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", line, err, want)
		}
	}
	if _, err := agent.ParseHostVolumes([]string{"a=/x", "a=/y"}); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("got %v", err)
	}
}

func TestParseHostVolumes_TakesWhatIsDeclared(t *testing.T) {
	got, err := agent.ParseHostVolumes([]string{"media=/srv/media/", "certs=/etc/ssl:ro", "odd=/srv/a:b:rw", "all=/:ro"})
	if err != nil {
		t.Fatal(err)
	}
	want := agent.HostVolumes{"media": {Path: "/srv/media"}, "certs": {Path: "/etc/ssl", ReadOnly: true}, "odd": {Path: "/srv/a:b"}, "all": {Path: "/", ReadOnly: true}}
	if !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	attributes := map[string]string{"host-volume.media": "rw", "host-volume.certs": "ro", "host-volume.odd": "rw", "host-volume.all": "ro"}
	if a := got.Attributes(); !maps.Equal(a, attributes) {
		t.Errorf("got %v", a)
	}
}

func TestHostVolumes_RefuseWhatCannotBeMounted(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{os.MkdirAll(in("real/sub"), 0o755), os.Symlink("real", in("link")), os.WriteFile(in("file"), nil, 0o644)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	all := agent.HostVolumes{
		"real": {Path: in("real")}, "fixed": {Path: in("real"), ReadOnly: true}, "gone": {Path: in("gone")}, "link": {Path: in("link")},
		"behind": {Path: in("link/sub")}, "file": {Path: in("file")}, "below": {Path: in("file/x")}, "root": {Path: "/"},
	}
	for _, c := range []struct {
		volume schema.Volume
		want   string
	}{
		{schema.Volume{Host: "real"}, ""}, {schema.Volume{Host: "fixed", ReadOnly: true}, ""}, {schema.Volume{Host: "root"}, ""},
		{schema.Volume{Host: "none"}, "declares none of that name"},
		{schema.Volume{Host: "fixed"}, "declared read-only"},
		{schema.Volume{Host: "gone", ReadOnly: true}, in("gone") + " is not there"},
		{schema.Volume{Host: "link"}, "a link leads from " + in("link") + " to " + in("real")},
		{schema.Volume{Host: "behind"}, "a link leads from " + in("link/sub")},
		{schema.Volume{Host: "file"}, "is no folder"},
		{schema.Volume{Host: "below"}, "not a directory"},
	} {
		found, err := all.Find(c.volume)
		if err == nil {
			err = found.Check(c.volume.Host)
		}
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.volume.Host, err)
			}
			continue
		}
		e, ok := errors.AsType[*agent.Error](err)
		if !ok || e.Failure.Code != nodes.VolumeUnavailable || !strings.Contains(e.Failure.Text, c.want) || !strings.Contains(e.Failure.Text, c.volume.Host) {
			t.Errorf("%s: got %v, want %q", c.volume.Host, err, c.want)
		}
	}
}
