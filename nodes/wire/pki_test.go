package wire

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/nodes/wire/wirepb"
	"github.com/bayplan/bayplan/nodes/wire/wirepb/wirepbconnect"
)

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

// However short a certificate lives, it is not due for renewal as it is made.
func TestRenewAt_IsTwoThirdsThroughTheLife(t *testing.T) {
	now := time.Now()
	ca, err := NewCA("test", now)
	if err != nil {
		t.Fatal(err)
	}
	for _, life := range []time.Duration{9 * time.Second, time.Hour, DefaultNodeLife} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		text, err := ca.signClient(RoleNode, "n1", &key.PublicKey, life, now)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := parseCert(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := renewAt(leaf).Sub(now); got < 2*life/3-2*time.Second || got > 2*life/3+time.Second { // X.509 counts seconds
			t.Errorf("one of %s is renewed after %s", life, got)
		}
	}
}
