package wire

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net/http"
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
		c.Enrolled = func(context.Context, Enrolled) error {
			if down {
				return errors.New("no ledger")
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
	wantErr(t, Join(ctx, c.token(), t.TempDir(), "n3"), "recording the join: no ledger")

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

func TestRequireRole_NodeIsNoOperatorAndTheReverse(t *testing.T) {
	c := newCluster(t)
	// A service that is open to operators stands beside the server's own.
	mux := http.NewServeMux()
	c.server.Mount(mux)
	mux.Handle("/control/", connect.NewUnaryHandler("/control/",
		func(context.Context, *connect.Request[wirepb.Resync]) (*connect.Response[wirepb.Resync], error) {
			return connect.NewResponse(&wirepb.Resync{}), nil
		}, RequireRole(RoleOperator)))
	conf, err := TLSConfig(c.ca, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	addr := serve(t, NewHTTPServer(mux, conf))
	certPEM, keyPEM, err := c.ca.IssueOperator("ada", time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ada := Credentials{Name: "ada", Key: string(keyPEM), Certificate: string(certPEM), CA: string(c.ca.PEM())}
	node, err := LoadCredentials(c.join("n1"))
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		creds          *Credentials
		control, fleet connect.Code
	}{
		"operator": {&ada, 0, connect.CodePermissionDenied},
		"node":     {&node, connect.CodePermissionDenied, connect.CodeInvalidArgument},
		"nobody":   {nil, connect.CodeUnauthenticated, connect.CodeUnauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			conf := clientTLS(c.ca.cert, nil, nil)
			if x.creds != nil {
				if conf, err = x.creds.TLS(nil); err != nil {
					t.Fatal(err)
				}
			}
			l := newLink(conf, dialTCP)
			defer l.close()
			control := connect.NewClient[wirepb.Resync, wirepb.Resync](l.client, "https://"+addr+"/control/")
			if _, err := control.CallUnary(context.Background(), connect.NewRequest(&wirepb.Resync{})); codeOf(err) != x.control {
				t.Errorf("control: %v, want code %v", err, x.control)
			}
			rpc := wirepbconnect.NewFleetClient(l.client, "https://"+addr)
			if _, err := rpc.Renew(context.Background(), connect.NewRequest(&wirepb.RenewRequest{})); codeOf(err) != x.fleet {
				t.Errorf("fleet: %v, want code %v", err, x.fleet)
			}
			s := rpc.Session(context.Background())
			_ = s.Send(&wirepb.AgentMessage{Seq: 7})
			_, err := s.Receive()
			if codeOf(err) != x.fleet {
				t.Errorf("session: %v, want code %v", err, x.fleet)
			}
			_ = s.CloseRequest()
			_ = s.CloseResponse()
		})
	}
}

func codeOf(err error) connect.Code {
	if err == nil {
		return 0
	}
	return connect.CodeOf(err)
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

func TestCA_ReadsBack(t *testing.T) {
	ca, err := NewCA("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseCA(cert, key)
	if err != nil || back.Pin() != ca.Pin() || back.Cluster() != "test" {
		t.Errorf("%v %v", back, err)
	}
	other, err := NewCA("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	_, wrong, err := other.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	_, err = ParseCA(cert, wrong)
	wantErr(t, err, "do not belong together")
	_, err = ParseCA(cert, cert)
	wantErr(t, err, "no private key")
}

func TestTLSConfig_ServerCertificateIsRenewed(t *testing.T) {
	ca, err := NewCA("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	conf, err := TLSConfig(ca, []string{"127.0.0.1", "bay.example"}, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	first, _ := conf.GetCertificate(nil)
	same, _ := conf.GetCertificate(nil)
	now = now.Add(serverLife * 3 / 4)
	next, err := conf.GetCertificate(nil)
	if err != nil || first != same || next == first || next.Leaf.VerifyHostname("bay.example") != nil || next.Leaf.VerifyHostname("127.0.0.1") != nil {
		t.Errorf("%v: first %p same %p next %p", err, first, same, next)
	}
}

func TestLoadCredentials_BrokenFile(t *testing.T) {
	c := newCluster(t)
	dir := c.join("n1")
	creds, err := LoadCredentials(dir)
	if err != nil {
		t.Fatal(err)
	}
	other, err := LoadCredentials(c.join("n2"))
	if err != nil {
		t.Fatal(err)
	}
	creds.Key = other.Key
	if err := creds.Save(dir); err != nil {
		t.Fatal(err)
	}
	_, err = LoadCredentials(dir)
	wantErr(t, err, credentialsFile, "do not belong together")
	if err := os.WriteFile(filepath.Join(dir, credentialsFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Dial(ClientConfig{Dir: dir})
	wantErr(t, err, credentialsFile)
	_, err = Dial(ClientConfig{Dir: t.TempDir()})
	wantErr(t, err, "`bayplan node token`")
	if err := creds.Save(filepath.Join(dir, credentialsFile, "x")); err == nil {
		t.Error("saved below a file")
	}
}
