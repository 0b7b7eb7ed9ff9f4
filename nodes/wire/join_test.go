package wire

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/wire/wirepb"
	"github.com/bayplan/bayplan/nodes/wire/wirepb/wirepbconnect"
)

func wantErr(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q, want one with %q", err, p)
		}
	}
}

func TestJoinLine_ReadsBack(t *testing.T) {
	ca, err := NewCA("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []string{"10.0.0.1:7443", "[::1]:7443", "bay.example:1"} {
		want := JoinInfo{NewToken(), server, ca.Pin()}
		for _, line := range []string{JoinLine(want), want.URL(), "'" + want.URL() + "'\n"} {
			if got, err := ParseJoin(line); err != nil || got != want {
				t.Errorf("%s: %v %v", line, got, err)
			}
		}
	}
}

func TestParseJoin_SaysWhatIsWrongButNotTheToken(t *testing.T) {
	token, pin := NewToken(), strings.Repeat("a", 64)
	for line, want := range map[string]string{
		"":                                      "empty",
		"bayplan agent --join https://x":        "no bayplan:// address",
		"bayplan://" + token + "@h:1":           "ca= is not whole",
		"bayplan://" + token + "@h:1?ca=beef":   "ca= is not whole",
		"bayplan://" + token + "@h?ca=" + pin:   "no host:port",
		"bayplan://short@h:1?ca=" + pin:         "token is not whole",
		"bayplan://" + token + "@h:%zz?ca=beef": "no bayplan:// address",
	} {
		_, err := ParseJoin(line)
		wantErr(t, err, want, "`bayplan node token`")
		if strings.Contains(err.Error(), token) {
			t.Errorf("the error tells the token: %v", err)
		}
	}
}

func TestJoin_KeepsCredentialsForTheOwnerOnly(t *testing.T) {
	var record []Enrolled
	c := newCluster(t, func(c *ServerConfig) {
		c.Enrolled = func(_ context.Context, e Enrolled) error { record = append(record, e); return nil }
	})
	dir := c.join("n1")
	info, err := os.Stat(filepath.Join(dir, credentialsFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	creds, err := LoadCredentials(dir)
	if err != nil {
		t.Fatal(err)
	}
	o, err := creds.open()
	if err != nil {
		t.Fatal(err)
	}
	if creds.Name != "n1" || creds.Cluster != "test" || o.leaf.Subject.CommonName != "n1" || o.leaf.Subject.OrganizationalUnit[0] != "node" {
		t.Errorf("credentials %+v for %v", creds, o.leaf.Subject)
	}
	if life := time.Until(o.leaf.NotAfter); life < 29*24*time.Hour || life > 31*24*time.Hour {
		t.Errorf("valid for %v", life)
	}
	if len(record) != 1 || record[0].Node != "n1" || record[0].Key != keyOf(o.leaf) {
		t.Errorf("recorded %+v", record)
	}
	// With the same line again, as a service does at its start.
	if err := Join(context.Background(), JoinInfo{"used", c.addr.Load().(string), c.ca.Pin()}, dir, "n1"); err != nil || len(record) != 1 {
		t.Errorf("joining again: %v, recorded %d", err, len(record))
	}
	wantErr(t, Join(context.Background(), c.token(), dir, "n2"), "belongs to node n1 of cluster test")
}

func TestJoin_Refusals(t *testing.T) {
	ctx := context.Background()
	down := false
	c := newCluster(t, func(c *ServerConfig) {
		c.Enrolled = func(_ context.Context, e Enrolled) error {
			if down {
				return errors.New("no ledger")
			}
			if e.Node == "held" {
				return fmt.Errorf("%w: choose another --node", nodes.ErrNameHeld)
			}
			return nil
		}
	})
	again := "; make a new one with `bayplan node token`"

	used := c.token()
	if err := Join(ctx, used, t.TempDir(), "n1"); err != nil {
		t.Fatal(err)
	}
	wantErr(t, Join(ctx, used, t.TempDir(), "n2"), "joining as n2: server 127.0.0.1", "token was used already"+again)

	expired := c.token()
	if err := c.tokens.PutToken(ctx, TokenHash(expired.Token), time.Now().Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	wantErr(t, Join(ctx, expired, t.TempDir(), "n2"), "token has expired"+again)

	unknown := c.token()
	unknown.Token = NewToken()
	wantErr(t, Join(ctx, unknown, t.TempDir(), "n2"), "token is unknown"+again)

	mistaken := c.token()
	err := Join(ctx, mistaken, t.TempDir(), "held")
	wantErr(t, err, "another machine holds this name: choose another --node")
	if strings.Contains(err.Error(), "recording") {
		t.Errorf("a refusal reads as a fault: %v", err)
	}
	if err := Join(ctx, mistaken, t.TempDir(), "n3"); err != nil {
		t.Errorf("the token did not stay good: %v", err)
	}

	dir := t.TempDir()
	pinned := c.token()
	pinned.Pin = strings.Repeat("0", 64)
	wantErr(t, Join(ctx, pinned, dir, "n2"), "this server belongs to another cluster")
	if _, err := LoadCredentials(dir); !errors.Is(err, ErrNotJoined) {
		t.Errorf("a refused join left credentials: %v", err)
	}
	pinned.Pin = c.ca.Pin()
	if err := Join(ctx, pinned, dir, "n2"); err != nil {
		t.Errorf("the wrong server used the token up: %v", err)
	}

	wantErr(t, Join(ctx, c.token(), t.TempDir(), "N_2"), `"N_2" cannot name a node`)

	down = true
	kept := c.token()
	for range 2 {
		wantErr(t, Join(ctx, kept, t.TempDir(), "n3"), "recording the join: no ledger")
	}
	down = false
	if err := Join(ctx, kept, t.TempDir(), "n3"); err != nil {
		t.Errorf("a join that was not recorded used the token up: %v", err)
	}
	wantErr(t, Join(ctx, kept, t.TempDir(), "n4"), "token was used already"+again)

	gone := c.token()
	c.stop()
	wantErr(t, Join(ctx, gone, t.TempDir(), "n3"), "is unreachable", "connection refused")
}

func TestJoin_OneTokenManyAtOnce(t *testing.T) {
	c := newCluster(t)
	info := c.token()
	var g sync.WaitGroup
	errs := make(chan error, 8)
	for range 8 {
		dir := t.TempDir()
		g.Go(func() { errs <- Join(context.Background(), info, dir, "n1") })
	}
	g.Wait()
	close(errs)
	good := 0
	for err := range errs {
		if err == nil {
			good++
		}
	}
	if good != 1 {
		t.Errorf("%d machines joined with one token", good)
	}
}

// A request may ask for whatever it likes: only its key counts.
func TestJoin_TakesNoNameFromTheRequest(t *testing.T) {
	c := newCluster(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject:  pkix.Name{CommonName: "root", OrganizationalUnit: []string{"operator"}},
		DNSNames: []string{serverName},
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	info := c.token()
	l := newLink(pinnedTLS(info.Pin, time.Now), dialTCP)
	defer l.close()
	rpc := wirepbconnect.NewEnrolmentClient(l.client, "https://"+info.Server)
	resp, err := rpc.Join(context.Background(), connect.NewRequest(&wirepb.JoinRequest{Token: info.Token, Node: "n1", Csr: der}))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := parseCert(resp.Msg.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	if s := leaf.Subject; s.CommonName != "n1" || s.OrganizationalUnit[0] != "node" || len(leaf.DNSNames) > 0 || leaf.IsCA {
		t.Errorf("the certificate is for %v %v", s, leaf.DNSNames)
	}
	if len(leaf.ExtKeyUsage) != 1 || leaf.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth {
		t.Errorf("usages %v", leaf.ExtKeyUsage)
	}
	_, err = rpc.Join(context.Background(), connect.NewRequest(&wirepb.JoinRequest{Token: c.token().Token, Node: "n1", Csr: []byte("x")}))
	wantErr(t, err, "reading the certificate request")
}

func TestJoin_SameNameAgainEndsTheFormer(t *testing.T) {
	c := newCluster(t)
	dir := c.join("n1")
	former := newMachine("n1")
	c.run(c.client(dir), former)
	c.see("the former", func(s *nodes.Snapshot) bool { return s.Node("n1") != nil })
	m := newMachine("n1")
	m.set(instance("a", nodes.Running))
	c.run(c.client(c.join("n1")), m)
	c.see("the new one", func(s *nodes.Snapshot) bool { return len(s.Node("n1").Report.Instances) == 1 })
	c.log.says(t, 1, "another machine joined as n1 since")
}

func TestServer_ATokenIsGivenBackForAWhile(t *testing.T) {
	now := time.Now()
	s := NewServer(ServerConfig{Now: func() time.Time { return now }})
	s.giveBack("a")
	if hash := TokenHash("a"); !s.takeBack(hash) || s.takeBack(hash) {
		t.Error("it is good once")
	}
	s.giveBack("a")
	s.giveBack("b")
	now = now.Add(givenBack + time.Second)
	if s.takeBack(TokenHash("a")) {
		t.Error("it is good for ever")
	}
	if s.giveBack("c"); len(s.unspent) != 1 {
		t.Errorf("%d are remembered", len(s.unspent))
	}
}
