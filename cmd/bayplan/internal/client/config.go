// Package client is the way from a verb to the server: where it is and with
// which certificate, the connection, and what its errors mean for the user.
package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
)

// Config is where the server is and who asks. A field left empty by its flag is
// read from the environment when it is needed.
type Config struct {
	// Server is "https://host:port".
	Server string
	// CA, Cert and Key are paths of PEM files.
	CA, Cert, Key string
}

// The variables of the environment, in the order of Config's fields.
const (
	EnvServer = "BAYPLAN_SERVER"
	EnvCA     = "BAYPLAN_CA"
	EnvCert   = "BAYPLAN_CERT"
	EnvKey    = "BAYPLAN_KEY"
)

// AddFlags lets a verb's user override the environment.
func (c *Config) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&c.Server, "server", "", "address of the server, https://host:port ($"+EnvServer+")")
	fs.StringVar(&c.CA, "ca", "", "file with the cluster's CA ($"+EnvCA+")")
	fs.StringVar(&c.Cert, "cert", "", "file with your certificate ($"+EnvCert+")")
	fs.StringVar(&c.Key, "key", "", "file with your certificate's key ($"+EnvKey+")")
}

// Filled is c with the environment's values where it has none.
func (c Config) Filled() Config {
	for _, f := range c.fields() {
		if *f.value == "" {
			*f.value = os.Getenv(f.env)
		}
	}
	return c
}

type field struct {
	value     *string
	flag, env string
}

func (c *Config) fields() []field {
	return []field{{&c.Server, "--server", EnvServer}, {&c.CA, "--ca", EnvCA}, {&c.Cert, "--cert", EnvCert}, {&c.Key, "--key", EnvKey}}
}

// Check is nil for a Config that is complete and readable. One without a server
// ends with Unreachable and says how to get one.
func (c Config) Check() error {
	_, _, err := c.read()
	return err
}

func (c Config) missing() error {
	var lack []string
	for _, f := range c.fields() {
		if *f.value == "" {
			lack = append(lack, f.env)
		}
	}
	if len(lack) == 0 {
		return nil
	}
	return &exit.Error{
		Code: exit.Unreachable,
		Err:  fmt.Errorf("no server to ask: %s not set", strings.Join(lack, ", ")),
		Next: "source the file `env` in the folder of `bayplan dev`, or set the variables (or --server, --ca, --cert, --key)",
	}
}

// read makes the address and the TLS configuration of a filled Config.
func (c Config) read() (*url.URL, *tls.Config, error) {
	if err := c.missing(); err != nil {
		return nil, nil, err
	}
	u, err := url.Parse(c.Server)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, nil, exit.Usagef("set "+EnvServer+"=https://host:port", "%q is no address of a server", c.Server)
	}
	ca, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the cluster's CA ($%s): %w", EnvCA, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, nil, fmt.Errorf("reading the cluster's CA ($%s): %s has no certificate", EnvCA, c.CA)
	}
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("reading your certificate ($%s, $%s): %w", EnvCert, EnvKey, err)
	}
	return u, &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, Certificates: []tls.Certificate{pair}}, nil
}

// Certificate is the user's own, for those who want to look at it.
func (c Config) Certificate() (*x509.Certificate, error) {
	_, t, err := c.read()
	if err != nil {
		return nil, err
	}
	if t.Certificates[0].Leaf == nil {
		return nil, errors.New("the certificate does not parse")
	}
	return t.Certificates[0].Leaf, nil
}
