package engine

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bayplan/bayplan/testenv/image"
)

func TestImageStore_CountsWhatItDoes(t *testing.T) {
	reg := prometheus.NewRegistry()
	registry := image.NewRegistry(t)
	ref := registry.Push(t, "test/program:1", image.Program(t, "1"))
	cfg := Config{Dir: t.TempDir(), Metrics: reg, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	s, err := openImages(cfg, func(context.Context) ([]string, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.tend()
	for range 2 { // the second time it is there
		if _, err := s.Pull(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Pull(t.Context(), registry.Addr()+"/test/none:1"); err == nil {
		t.Error("pulled what is not there")
	}
	if fine, failed := value(t, reg, "bayplan_image_pulls_total", "fine"), value(t, reg, "bayplan_image_pulls_total", "failed"); fine != 1 || failed != 1 {
		t.Errorf("%v pulls were fine, %v failed", fine, failed)
	}
	_, held := s.Usage()
	if _, err := s.Prune(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if went, left := value(t, reg, "bayplan_images_removed_bytes_total", ""), value(t, reg, "bayplan_images", ""); went != float64(held) || held == 0 || left != 0 {
		t.Errorf("%v bytes went of %d; %v images are left", went, held, left)
	}
}

// value is a metric's, of the label value if it has any.
func value(t *testing.T, reg *prometheus.Registry, name, label string) float64 {
	t.Helper()
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range all {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

func TestParseMirrors_SaysWhatItWants(t *testing.T) {
	for _, bad := range []string{"docker.io", "=x", "docker.io="} {
		if _, err := parseMirrors([]string{bad}); err == nil || !strings.Contains(err.Error(), "want REGISTRY=MIRROR") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
