package wire

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/wire/wirepb"
	"github.com/bayplan/bayplan/nodes/wire/wirepb/wirepbconnect"
)

func TestRun_ServerOfAnotherCluster(t *testing.T) {
	mine, other := newCluster(t), newCluster(t)
	k := mine.client(mine.join("n1"), func(c *ClientConfig) { c.dial = other.dial })
	mine.run(k, newMachine("n1"))
	mine.log.says(t, 1, "this server belongs to another cluster")
}

func TestRun_CertificateOfAnotherCluster(t *testing.T) {
	mine, other := newCluster(t), newCluster(t)
	dir := mine.join("n1")
	creds, err := LoadCredentials(dir)
	if err != nil {
		t.Fatal(err)
	}
	o, err := creds.open()
	if err != nil {
		t.Fatal(err)
	}
	// It trusts the other's CA but shows what its own gave it.
	conf := clientTLS(other.ca.cert, &tls.Certificate{Certificate: [][]byte{o.leaf.Raw}, PrivateKey: o.key}, nil)
	l := newLink(conf, other.dial)
	defer l.close()
	rpc := wirepbconnect.NewFleetClient(l.client, "https://other")
	_, err = rpc.Renew(context.Background(), connect.NewRequest(&wirepb.RenewRequest{}))
	wantErr(t, l.explain(context.Background(), "other", err), "refuses this node", "of another cluster", "`bayplan node token`")
}

func TestRun_ServerUnreachableThenThere(t *testing.T) {
	c := newCluster(t)
	dir := c.join("n1")
	c.stop()
	k := c.client(dir)
	c.run(k, newMachine("n1"))
	c.log.says(t, 1, "is unreachable: connect: connection refused")
	c.start()
	c.see("n1", func(s *nodes.Snapshot) bool { return s.Node("n1") != nil })
	if k.Trouble() != "" {
		t.Errorf("trouble %q", k.Trouble())
	}
}

func TestRun_ExpiredCertificateSaysWhatToDo(t *testing.T) {
	c := newCluster(t)
	k := c.client(c.join("n1"), func(c *ClientConfig) {
		c.Now = func() time.Time { return time.Now().Add(31 * 24 * time.Hour) }
	})
	c.run(k, newMachine("n1"))
	c.log.says(t, 1, "this node's certificate expired on")
}

// What the server says of a certificate that it finds expired.
func TestExplain_ExpiredCertificate(t *testing.T) {
	c := newCluster(t, func(c *ServerConfig) {
		c.Now = func() time.Time { return time.Now().Add(31 * 24 * time.Hour) }
	})
	cert, err := c.ca.signNodeForTest("n1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	conf := clientTLS(c.ca.cert, cert, c.cfg.Now)
	l := newLink(conf, c.dial)
	defer l.close()
	_, err = wirepbconnect.NewFleetClient(l.client, "https://x").Renew(context.Background(), connect.NewRequest(&wirepb.RenewRequest{}))
	wantErr(t, l.explain(context.Background(), "x", err), "its certificate has expired", "`bayplan node token`")
}

func (c *CA) signNodeForTest(name string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	text, err := c.signClient(RoleNode, name, &key.PublicKey, DefaultNodeLife, now)
	if err != nil {
		return nil, err
	}
	leaf, err := parseCert(text)
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}, err
}

func TestRun_RenewsInTimeAndDialsAnew(t *testing.T) {
	late := func() time.Time { return time.Now().Add(21 * 24 * time.Hour) }
	c := newCluster(t)
	dir := c.join("n1")
	before, err := LoadCredentials(dir)
	if err != nil {
		t.Fatal(err)
	}
	c.stop()
	c.cfg.Now = late
	c.start()
	c.run(c.client(dir, func(c *ClientConfig) { c.Now = late }), newMachine("n1"))
	c.log.says(t, 2, "node connected")
	c.see("n1", func(s *nodes.Snapshot) bool { return s.Node("n1") != nil })
	after, err := LoadCredentials(dir)
	if err != nil {
		t.Fatal(err)
	}
	o, err := after.open()
	if err != nil {
		t.Fatal(err)
	}
	if after.Key != before.Key || after.Certificate == before.Certificate || o.leaf.NotAfter.Before(late().Add(29*24*time.Hour)) {
		t.Errorf("renewed until %v", o.leaf.NotAfter)
	}
}

func TestRenew_OnlyForTheSameKey(t *testing.T) {
	c := newCluster(t)
	creds, err := LoadCredentials(c.join("n1"))
	if err != nil {
		t.Fatal(err)
	}
	conf, err := creds.TLS(nil)
	if err != nil {
		t.Fatal(err)
	}
	l := newLink(conf, c.dial)
	defer l.close()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := newCSR(key)
	if err != nil {
		t.Fatal(err)
	}
	_, err = wirepbconnect.NewFleetClient(l.client, "https://x").Renew(context.Background(), connect.NewRequest(&wirepb.RenewRequest{Csr: csr}))
	wantErr(t, err, "a renewal is for the key of the present certificate")
}
