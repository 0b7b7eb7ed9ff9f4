package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// pki is the certificates of one test.
type pki struct {
	server *tls.Config
	// files are the PEM files by variable: the cluster's as BAYPLAN_…, those of
	// a stranger's cluster as OTHER_….
	files map[string]string
}

func newPKI(dir string) (*pki, error) {
	p := &pki{files: map[string]string{}}
	for _, prefix := range []string{"BAYPLAN", "OTHER"} {
		ca, err := newAuthority(prefix)
		if err != nil {
			return nil, err
		}
		if err := p.write(dir, prefix, ca); err != nil {
			return nil, err
		}
		if prefix == "BAYPLAN" {
			if p.server, err = ca.serverTLS(); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// write makes an operator's certificate of ca and stores it.
func (p *pki) write(dir, prefix string, ca *authority) error {
	cert, key, err := ca.issue("admin", x509.ExtKeyUsageClientAuth)
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{"CA": pemOf("CERTIFICATE", ca.cert.Raw), "CERT": cert, "KEY": key} {
		file := filepath.Join(dir, prefix+"_"+name+".pem")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return err
		}
		p.files[prefix+"_"+name] = file
	}
	return nil
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := template(name)
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert, key}, err
}

func (a *authority) issue(name string, usage x509.ExtKeyUsage) (cert, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	t := template(name)
	t.ExtKeyUsage, t.IPAddresses = []x509.ExtKeyUsage{usage}, []net.IP{net.IPv4(127, 0, 0, 1)}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, &k.PublicKey, a.key)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	return pemOf("CERTIFICATE", der), pemOf("PRIVATE KEY", pkcs8), err
}

func (a *authority) serverTLS() (*tls.Config, error) {
	cert, key, err := a.issue("server", x509.ExtKeyUsageServerAuth)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	clients := x509.NewCertPool()
	clients.AddCert(a.cert)
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients,
	}, nil
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
	}
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
