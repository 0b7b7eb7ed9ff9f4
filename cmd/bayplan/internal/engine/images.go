package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bayplan/bayplan/nodes/native/images"
)

// imageStore is the built-in runtime's store with someone who tends it: what it
// does is counted, and the disk is looked at after each pull and every hour.
type imageStore struct {
	*images.Store
	meter  *imageMeter
	pulled chan struct{}
	// stop ends the tending, and awaits its end.
	stop func()
}

// openImages opens the store; tend begins the rest, once inUse can be answered.
func openImages(cfg Config, inUse func(context.Context) ([]string, error)) (*imageStore, error) {
	mirrors, err := parseMirrors(cfg.Images.Mirrors)
	if err != nil {
		return nil, err
	}
	store, err := images.Open(images.Config{
		Dir: imagesDir(cfg), AuthFile: cfg.Images.AuthFile, Mirrors: mirrors,
		High: cfg.Images.High, Low: cfg.Images.Low, InUse: inUse, Log: cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	return &imageStore{Store: store, meter: newImageMeter(cfg.Metrics, store.Usage), pulled: make(chan struct{}, 1), stop: func() {}}, nil
}

// parseMirrors reads "REGISTRY=MIRROR".
func parseMirrors(all []string) (map[string][]string, error) {
	mirrors := map[string][]string{}
	for _, m := range all {
		registry, mirror, ok := strings.Cut(m, "=")
		if !ok || registry == "" || mirror == "" {
			return nil, fmt.Errorf("mirror %q: want REGISTRY=MIRROR, such as docker.io=mirror.example:5000", m)
		}
		mirrors[registry] = append(mirrors[registry], mirror)
	}
	return mirrors, nil
}

// Pull counts what is not there yet, and has the disk looked at afterwards.
func (s *imageStore) Pull(ctx context.Context, ref string) (images.Image, error) {
	if image, err := s.Get(ref); err == nil {
		return image, nil
	}
	began := time.Now()
	image, err := s.Store.Pull(ctx, ref)
	s.meter.pulled(time.Since(began), err)
	select {
	case s.pulled <- struct{}{}:
	default:
	}
	return image, err
}

// Prune counts what went.
func (s *imageStore) Prune(ctx context.Context, unusedFor time.Duration) (images.Pruned, error) {
	p, err := s.Store.Prune(ctx, unusedFor)
	s.meter.pruned(p)
	return p, err
}

// tendEvery is for disks that others fill.
const tendEvery = time.Hour

// tend begins to look at the disk.
func (s *imageStore) tend() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Tend(ctx, tendEvery, s.pulled, s.meter.pruned)
	}()
	s.stop = func() {
		cancel()
		<-done
	}
}

// Close ends the tending before the store.
func (s *imageStore) Close() error {
	s.stop()
	return s.Store.Close()
}

// imageMeter is what the node tells of its images.
type imageMeter struct {
	pulls                 *prometheus.CounterVec
	seconds               prometheus.Histogram
	prunedCount, prunedBy prometheus.Counter
}

func newImageMeter(reg prometheus.Registerer, usage func() (int, int64)) *imageMeter {
	m := &imageMeter{
		pulls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bayplan_image_pulls_total",
			Help: "Pulls of images that were not on the node, by how they ended."}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "bayplan_image_pull_seconds",
			Help: "How long the pulls took that brought an image.", Buckets: prometheus.ExponentialBuckets(0.1, 2.5, 10)}),
		prunedCount: prometheus.NewCounter(prometheus.CounterOpts{Name: "bayplan_images_removed_total", Help: "Images removed from the node."}),
		prunedBy:    prometheus.NewCounter(prometheus.CounterOpts{Name: "bayplan_images_removed_bytes_total", Help: "What the removed layers held."}),
	}
	for _, outcome := range []string{"fine", "failed"} {
		m.pulls.WithLabelValues(outcome)
	}
	if reg == nil {
		return m
	}
	reg.MustRegister(m.pulls, m.seconds, m.prunedCount, m.prunedBy,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "bayplan_images", Help: "Images on the node."},
			func() float64 { n, _ := usage(); return float64(n) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "bayplan_images_bytes", Help: "What the layers of the node's images hold, each once."},
			func() float64 { _, bytes := usage(); return float64(bytes) }))
	return m
}

func (m *imageMeter) pulled(took time.Duration, err error) {
	if err != nil {
		m.pulls.WithLabelValues("failed").Inc()
		return
	}
	m.pulls.WithLabelValues("fine").Inc()
	m.seconds.Observe(took.Seconds())
}

func (m *imageMeter) pruned(p images.Pruned) {
	m.prunedCount.Add(float64(len(p.Images)))
	m.prunedBy.Add(float64(p.Bytes))
}
