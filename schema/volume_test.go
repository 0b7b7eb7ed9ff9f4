package schema

import "testing"

// What a volume is, is part of what runs.
func TestDigest_EachFieldOfAVolume(t *testing.T) {
	of := func(v Volume) Digest {
		w := sample()
		w.Volumes = map[string]Volume{"data": v}
		return w.Digest()
	}
	plain := Volume{Path: "/data"}
	for name, v := range map[string]Volume{
		"path": {Path: "/other"}, "readOnly": {Path: "/data", ReadOnly: true},
		"host": {Path: "/data", Host: "media"}, "size": {Path: "/data", Size: 1 << 30},
	} {
		if of(v) == of(plain) {
			t.Errorf("%s is no part of the digest", name)
		}
	}
	// This one is of before there were host and size.
	if got := of(plain).Short(); got != "6aef2206b26e" {
		t.Errorf("the digest of a plain volume became %s", got)
	}
}

func TestOwnsVolumes(t *testing.T) {
	own, shared := Volume{Path: "/a"}, Volume{Path: "/b", Host: "media"}
	for _, c := range []struct {
		volumes map[string]Volume
		want    bool
	}{
		{nil, false}, {map[string]Volume{"a": own}, true}, {map[string]Volume{"b": shared}, false},
		{map[string]Volume{"a": own, "b": shared}, true},
	} {
		if got := (&Workload{Volumes: c.volumes}).OwnsVolumes(); got != c.want {
			t.Errorf("%v: got %v", c.volumes, got)
		}
	}
}
