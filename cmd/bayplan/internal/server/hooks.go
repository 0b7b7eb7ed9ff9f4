package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/bayplan/bayplan/reconciler/forge"
)

// openHooks hears webhooks, where there is a secret for them.
func (s *server) openHooks(ctx context.Context) (err error) {
	if s.WebhookSecretFile == "" {
		return nil
	}
	c := forge.HookConfig{SecretFile: s.WebhookSecretFile, Branch: s.oneBranch(), Look: s.look, Log: s.Log}
	if len(s.reviews) > 0 {
		c.Pulls = s.lookAtPulls
	}
	s.hook, err = forge.NewHook(c)
	if err != nil || s.WebhookListen == "" {
		return err
	}
	l, err := net.Listen("tcp", s.WebhookListen)
	if err != nil {
		return fmt.Errorf("webhooks: %w; choose another --webhook-listen", err)
	}
	mux := http.NewServeMux()
	s.hook.Mount(mux)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 64 << 10}
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.Log.Error("webhooks", "err", err)
		}
	}()
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	s.webhooks = "http://" + l.Addr().String() + "/hooks/"
	return nil
}
