package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// hosts are the names that the server's certificate is for.
func (s *server) hosts() []string {
	hosts := append([]string{"localhost", "127.0.0.1", "::1"}, s.Advertise...)
	if host, _, err := net.SplitHostPort(s.Listen); err == nil && host != "" {
		hosts = append(hosts, host)
	}
	if name, err := os.Hostname(); err == nil {
		hosts = append(hosts, name)
	}
	return hosts
}

// reachedBy is "host:port" for join lines and operators.
func (s *server) reachedBy() string {
	host, port, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil {
		return s.listener.Addr().String()
	}
	if len(s.Advertise) > 0 {
		return net.JoinHostPort(s.Advertise[0], port)
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return net.JoinHostPort(host, port)
}

// announce prints join lines and writes the ready file. Connections queue in
// the listener from here on, so whoever reads it may call at once.
func (s *server) announce(ctx context.Context, out io.Writer) error {
	ready := Ready{URL: "https://" + s.reachedBy(), Cluster: s.cluster.ID, Join: []string{}, Metrics: s.metrics, Webhooks: s.webhooks,
		CA: s.operator.ca, Cert: s.operator.cert, Key: s.operator.key}
	for range s.JoinTokens {
		line, expires, err := s.joiner.JoinLine(ctx, JoinLife, byServer)
		if err != nil {
			return err
		}
		ready.Join = append(ready.Join, line)
		if s.ReadyFile == "" {
			fmt.Fprintf(out, "to add a node, until %s:\n  %s\n", expires.Format(time.DateTime), line)
		}
	}
	s.Log.Info("serving", "address", ready.URL, "cluster", ready.Cluster, "metrics", s.metrics)
	if s.ReadyFile == "" {
		fmt.Fprintf(out, "for the client's verbs:\n  export BAYPLAN_SERVER=%s BAYPLAN_CA=%s BAYPLAN_CERT=%s BAYPLAN_KEY=%s\n",
			ready.URL, ready.CA, ready.Cert, ready.Key)
		return nil
	}
	text, err := json.MarshalIndent(ready, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(s.ReadyFile, append(text, '\n'))
}
