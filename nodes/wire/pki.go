package wire

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"regexp"
	"time"
)

const (
	caLife = 10 * 365 * 24 * time.Hour
	// serverLife is short of a year because the server renews its own.
	serverLife = 90 * 24 * time.Hour
	// clockError is how far behind a peer's clock may be and still find a new
	// certificate valid.
	clockError = time.Hour
	// serverName is in every server's certificate beside its hosts and is what
	// clients ask for: a server is known by the CA and its role, so that it may
	// be reached by any address.
	serverName = "bayplan-server"
)

// CA is a cluster's authority: whom it signs is a part of the cluster, and its
// fingerprint is the cluster's identity.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewCA makes the authority of a new cluster, valid for 10 years.
func NewCA(cluster string, now time.Time) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the CA's key: %w", err)
	}
	t := template(pkix.Name{CommonName: cluster, OrganizationalUnit: []string{"ca"}}, now, caLife)
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("signing the CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	return &CA{cert, key}, err
}

// ParseCA reads what MarshalPEM wrote.
func ParseCA(certPEM, keyPEM []byte) (*CA, error) {
	cert, err := parseCert(certPEM)
	if err != nil {
		return nil, fmt.Errorf("reading the CA: %w", err)
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("reading the CA's key: %w", err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) || !cert.IsCA {
		return nil, errors.New("reading the CA: certificate and key do not belong together")
	}
	return &CA{cert, key}, nil
}

// MarshalPEM is the CA for the ledger. The second part is the cluster's one
// great secret.
func (c *CA) MarshalPEM() (certPEM, keyPEM []byte, err error) {
	keyPEM, err = keyToPEM(c.key)
	return c.PEM(), keyPEM, err
}

// PEM is the CA's certificate, which is no secret.
func (c *CA) PEM() []byte { return certToPEM(c.cert.Raw) }

// Cluster is the name that the CA was made for.
func (c *CA) Cluster() string { return c.cert.Subject.CommonName }

// Pin is the SHA-256 of the CA's certificate in hex: what a join line carries.
func (c *CA) Pin() string { return pinOf(c.cert) }

// IssueServer makes a server's certificate. The CA's goes with it, so that a
// joining node can compare it with its pin.
func (c *CA) IssueServer(hosts []string, now time.Time) (tls.Certificate, error) {
	t := template(pkix.Name{CommonName: serverName, OrganizationalUnit: []string{"server"}}, now, serverLife)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	t.DNSNames = []string{serverName}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else if h != "" {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making the server's key: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, t, c.cert, &key.PublicKey, c.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("signing the server: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der, c.cert.Raw}, PrivateKey: key, Leaf: leaf}, err
}

// IssueOperator makes a certificate with which the client's verbs reach the
// server.
func (c *CA) IssueOperator(name string, life time.Duration, now time.Time) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making the key of operator %s: %w", name, err)
	}
	if certPEM, err = c.signClient(RoleOperator, name, &key.PublicKey, life, now); err != nil {
		return nil, nil, err
	}
	keyPEM, err = keyToPEM(key)
	return certPEM, keyPEM, err
}

// signNode makes a node's certificate for the key of a request. Nothing else of
// the request is looked at: the name is the one that the server agreed to.
func (c *CA) signNode(csr *x509.CertificateRequest, name string, life time.Duration, now time.Time) ([]byte, error) {
	return c.signClient(RoleNode, name, csr.PublicKey, life, now)
}

func (c *CA) signClient(role Role, name string, key any, life time.Duration, now time.Time) ([]byte, error) {
	t := template(pkix.Name{CommonName: name, OrganizationalUnit: []string{string(role)}}, now, life)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, t, c.cert, key, c.key)
	if err != nil {
		return nil, fmt.Errorf("signing %s %s: %w", role, name, err)
	}
	return certToPEM(der), nil
}

// template leaves the serial to x509, which draws 159 random bits.
func template(subject pkix.Name, now time.Time, life time.Duration) *x509.Certificate {
	return &x509.Certificate{
		Subject:   subject,
		NotBefore: now.Add(-clockError),
		NotAfter:  now.Add(life),
		KeyUsage:  x509.KeyUsageDigitalSignature,
	}
}

// parseCSR accepts only P-256 keys, of which the asker proved to hold the
// private half.
func parseCSR(der []byte) (*x509.CertificateRequest, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate request: %w", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("checking the certificate request: %w", err)
	}
	if k, ok := csr.PublicKey.(*ecdsa.PublicKey); !ok || k.Curve != elliptic.P256() {
		return nil, errors.New("checking the certificate request: the key is not ECDSA P-256")
	}
	return csr, nil
}

func newCSR(key *ecdsa.PrivateKey) ([]byte, error) {
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
}

// renewAt is two thirds through the certificate's life, which began clockError
// after its NotBefore.
func renewAt(c *x509.Certificate) time.Time {
	issued := c.NotBefore.Add(clockError)
	return c.NotAfter.Add(-c.NotAfter.Sub(issued) / 3)
}

var nodeName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)

// CheckNodeName refuses what cannot name a node.
func CheckNodeName(name string) error {
	if !nodeName.MatchString(name) {
		return fmt.Errorf("%q cannot name a node: want at most 63 lower-case letters, digits, dots and dashes, such as \"web-1\"", name)
	}
	return nil
}

func pinOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

func keyOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

func certToPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func keyToPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("writing a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func parseCert(text []byte) (*x509.Certificate, error) {
	b, _ := pem.Decode(text)
	if b == nil || b.Type != "CERTIFICATE" {
		return nil, errors.New("no certificate in PEM form")
	}
	return x509.ParseCertificate(b.Bytes)
}

func parseKey(text []byte) (*ecdsa.PrivateKey, error) {
	b, _ := pem.Decode(text)
	if b == nil || b.Type != "PRIVATE KEY" {
		return nil, errors.New("no private key in PEM form")
	}
	key, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		return nil, err
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("the private key is not ECDSA")
	}
	return ec, nil
}
