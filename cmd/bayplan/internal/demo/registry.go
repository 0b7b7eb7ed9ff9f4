package demo

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/demo/layer"
)

// prebuilt holds the layer if `make build` put it there, and a README anyhow.
//
//go:embed all:prebuilt
var prebuilt embed.FS

// Registry serves the demo's images on loopback. It answers from the moment it
// is made; requests wait until Load has ended. Nobody can write to it.
type Registry struct {
	server   http.Server
	store    http.Handler
	address  string
	serveErr chan error

	once   sync.Once
	loaded chan struct{}
	err    error // set before loaded is closed
}

// Serve starts to answer on l, which it takes over. Call Load next and Close in
// the end.
func Serve(l net.Listener) *Registry {
	r := &Registry{
		store:    registry.New(registry.Logger(log.New(io.Discard, "", 0))),
		address:  l.Addr().String(),
		serveErr: make(chan error, 1),
		loaded:   make(chan struct{}),
	}
	r.server.Handler = http.HandlerFunc(r.answer)
	r.server.ReadHeaderTimeout = 10 * time.Second
	go func() { r.serveErr <- r.server.Serve(l) }()
	return r
}

// Image is the repository as engines name it: "127.0.0.1:PORT/hello".
func (r *Registry) Image() string { return r.address + "/" + Repository }

// Load finds or builds the images, the first time on a machine in some seconds,
// and lets the requests through. Once is enough; a second call does nothing.
func (r *Registry) Load(ctx context.Context) error {
	r.once.Do(func() {
		r.err = r.load(ctx)
		close(r.loaded)
	})
	return r.err
}

// Close ends the service at once; engines keep what they pulled.
func (r *Registry) Close() error {
	err := r.server.Close()
	if served := <-r.serveErr; !errors.Is(served, http.ErrServerClosed) {
		return served
	}
	return err
}

func (r *Registry) load(ctx context.Context) error {
	files, err := fs.Sub(prebuilt, "prebuilt")
	if err != nil {
		return err
	}
	blob, err := layer.Find(ctx, files)
	if err != nil {
		return err
	}
	made, err := images(blob)
	if err != nil {
		return fmt.Errorf("demo images: %w", err)
	}
	for _, version := range Versions {
		if err := r.push(ctx, version, made[version]); err != nil {
			return fmt.Errorf("demo image %s: %w", version, err)
		}
	}
	return nil
}

func (r *Registry) push(ctx context.Context, version string, image v1.Image) error {
	tag, err := name.NewTag(r.Image() + ":" + version)
	if err != nil {
		return err
	}
	return remote.Write(tag, image, remote.WithContext(ctx), remote.WithTransport(inProcess{r.store}))
}

// answer is the door for the engines: read only, and not before all is there.
func (r *Registry) answer(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		http.Error(w, "this registry is read only", http.StatusMethodNotAllowed)
		return
	}
	select {
	case <-r.loaded:
	case <-req.Context().Done():
		return
	}
	if r.err != nil {
		http.Error(w, r.err.Error(), http.StatusServiceUnavailable)
		return
	}
	r.store.ServeHTTP(w, req)
}
