package wire

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// ErrNotJoined is a folder without credentials.
var ErrNotJoined = errors.New("this machine has not joined a cluster: run the line that `bayplan node token` prints on the server")

// Credentials are how a machine or a person is known to a cluster. They are one
// file, replaced as a whole, so that key, certificate and CA always belong
// together.
type Credentials struct {
	// Server is "host:port" of the server that gave them.
	Server  string `json:"server"`
	Cluster string `json:"cluster"`
	// Name is the node's or the operator's.
	Name string `json:"name"`
	// PEM texts. Key is secret.
	Key         string `json:"key"`
	Certificate string `json:"certificate"`
	CA          string `json:"ca"`
}

const credentialsFile = "identity.json"

// LoadCredentials reads those of a state folder; [ErrNotJoined] where there are
// none.
func LoadCredentials(dir string) (Credentials, error) {
	path := filepath.Join(dir, credentialsFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Credentials{}, ErrNotJoined
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("reading credentials: %w", err)
	}
	var c Credentials
	if err := json.Unmarshal(b, &c); err != nil {
		return Credentials{}, fmt.Errorf("reading credentials: %s: %w", path, err)
	}
	if _, err := c.open(); err != nil {
		return Credentials{}, fmt.Errorf("reading credentials: %s: %w", path, err)
	}
	return c, nil
}

// Save replaces the credentials of a state folder at once and for good: after a
// crash there are the old ones or these. Only the owner may read them.
func (c Credentials) Save(dir string) error {
	b, err := json.MarshalIndent(c, "", "\t")
	if err != nil {
		return fmt.Errorf("saving credentials: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("saving credentials: %w", err)
	}
	if err := replaceFile(filepath.Join(dir, credentialsFile), append(b, '\n')); err != nil {
		return fmt.Errorf("saving credentials: %w", err)
	}
	return nil
}

// replaceFile writes beside path, syncs and renames; the mode is 0600.
func replaceFile(path string, b []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the first error is the one to tell
		}
	}()
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// TLS is a client's end that shows these credentials and trusts their cluster
// alone. now is the clock that certificates are read by; nil is time.Now.
func (c Credentials) TLS(now func() time.Time) (*tls.Config, error) {
	o, err := c.open()
	if err != nil {
		return nil, err
	}
	return clientTLS(o.ca, &tls.Certificate{Certificate: [][]byte{o.leaf.Raw}, PrivateKey: o.key, Leaf: o.leaf}, now), nil
}

// opened is the credentials' PEM texts, read.
type opened struct {
	key      *ecdsa.PrivateKey
	leaf, ca *x509.Certificate
}

func (c Credentials) open() (o opened, err error) {
	if o.key, err = parseKey([]byte(c.Key)); err != nil {
		return o, fmt.Errorf("key: %w", err)
	}
	if o.leaf, err = parseCert([]byte(c.Certificate)); err != nil {
		return o, fmt.Errorf("certificate: %w", err)
	}
	if o.ca, err = parseCert([]byte(c.CA)); err != nil {
		return o, fmt.Errorf("ca: %w", err)
	}
	if !o.key.PublicKey.Equal(o.leaf.PublicKey) {
		return o, errors.New("key and certificate do not belong together")
	}
	if err := o.leaf.CheckSignatureFrom(o.ca); err != nil {
		return o, fmt.Errorf("the certificate is not of the CA beside it: %w", err)
	}
	return o, nil
}
