package server

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/bayplan/bayplan/nodes/wire"
	"github.com/bayplan/bayplan/reconciler/ledger"
)

// openCluster reads the cluster's identity from the ledger, or makes it. The
// identity is the name with a few random digits, so that two clusters of one
// name that share an engine do not take each other's containers for theirs.
func openCluster(ctx context.Context, l *ledger.Ledger, name string) (ledger.Cluster, *wire.CA, error) {
	c, found, err := l.Cluster(ctx)
	if err != nil {
		return c, nil, err
	}
	if !found {
		if c, err = newCluster(name); err != nil {
			return c, nil, err
		}
		if c, err = l.CreateCluster(ctx, c); err != nil {
			return c, nil, err
		}
	}
	ca, err := wire.ParseCA(c.CACert, c.CAKey)
	return c, ca, err
}

func newCluster(name string) (c ledger.Cluster, err error) {
	var random [4]byte
	if _, err := rand.Read(random[:]); err != nil {
		return c, err
	}
	c.Name, c.ID = name, name+"-"+hex.EncodeToString(random[:])
	ca, err := wire.NewCA(c.ID, time.Now())
	if err != nil {
		return c, err
	}
	c.CACert, c.CAKey, err = ca.MarshalPEM()
	return c, err
}

// operatorLife is how long the operator's certificate in the data folder is
// good. The server renews it at its start once a third is left, and the folder
// is as well guarded as the CA's key beside it.
const operatorLife = 365 * 24 * time.Hour

// operatorFiles are an operator's credentials in the data folder.
type operatorFiles struct{ ca, cert, key string }

func writeOperator(dir string, ca *wire.CA, now time.Time) (f operatorFiles, err error) {
	dir = filepath.Join(dir, "operator")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return f, err
	}
	f = operatorFiles{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	if stillGood(f, ca, now) {
		return f, nil
	}
	cert, key, err := ca.IssueOperator("admin", operatorLife, now)
	if err != nil {
		return f, err
	}
	for path, text := range map[string][]byte{f.ca: ca.PEM(), f.cert: cert, f.key: key} {
		if err := replaceFile(path, text); err != nil {
			return f, fmt.Errorf("operator's credentials: %w", err)
		}
	}
	return f, nil
}

// stillGood is whether the files are of this CA, belong together and have a
// third of their life left. A server that was killed while it wrote them may
// have left the certificate of one key beside another.
func stillGood(f operatorFiles, ca *wire.CA, now time.Time) bool {
	have, err := os.ReadFile(f.ca)
	if err != nil || string(have) != string(ca.PEM()) {
		return false
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	return err == nil && pair.Leaf.NotAfter.Sub(now) > operatorLife/3
}

// replaceFile writes a file that only its owner may read, at once or not at
// all, also over a power cut.
func replaceFile(path string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Sync()
	}
	if err := errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a rename last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
