package wire

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/nodes/wire/wirepb"
	"github.com/bayplan/bayplan/nodes/wire/wirepb/wirepbconnect"
)

// joinWait bounds the whole of a Join: a person is waiting.
const joinWait = 20 * time.Second

// Join makes this machine the node of that name and keeps its credentials in
// dir. It is safe to repeat, as a service's start does with the line it was
// installed with: where dir holds valid credentials for this node and cluster
// it does nothing, and where they have expired it joins anew with the same key.
// A folder of another cluster or another node is refused, since what else
// stands in it belongs to that one.
func Join(ctx context.Context, info JoinInfo, dir, node string) error {
	return join(ctx, info, dir, node, dialTCP, time.Now)
}

func join(ctx context.Context, info JoinInfo, dir, node string, dial dialFunc, now func() time.Time) error {
	if err := CheckNodeName(node); err != nil {
		return err
	}
	key, done, err := keyFor(dir, info.Pin, node, now())
	if err != nil || done {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, joinWait)
	defer cancel()
	c, err := enrol(ctx, info, key, node, dial, now)
	if err != nil {
		return fmt.Errorf("joining as %s: %w", node, err)
	}
	return c.Save(dir)
}

// keyFor is the key to join with, or done where there is nothing to do.
func keyFor(dir, pin, node string, now time.Time) (key *ecdsa.PrivateKey, done bool, err error) {
	old, err := LoadCredentials(dir)
	if errors.Is(err, ErrNotJoined) {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		return key, false, err
	}
	if err != nil {
		return nil, false, err
	}
	o, err := old.open()
	if err != nil {
		return nil, false, err
	}
	if pinOf(o.ca) != pin || old.Name != node {
		return nil, false, fmt.Errorf("folder %s belongs to node %s of cluster %s: choose another folder", dir, old.Name, old.Cluster)
	}
	return o.key, now.Before(o.leaf.NotAfter), nil
}

// enrol trades the token for credentials.
func enrol(ctx context.Context, info JoinInfo, key *ecdsa.PrivateKey, node string, dial dialFunc, now func() time.Time) (Credentials, error) {
	csr, err := newCSR(key)
	if err != nil {
		return Credentials{}, err
	}
	link := newLink(pinnedTLS(info.Pin, now), dial)
	defer link.close()
	client := wirepbconnect.NewEnrolmentClient(link.client, "https://"+info.Server, connect.WithReadMaxBytes(maxEnrolment))
	resp, err := client.Join(ctx, connect.NewRequest(&wirepb.JoinRequest{Token: info.Token, Node: node, Csr: csr}))
	if err != nil {
		return Credentials{}, link.explain(ctx, info.Server, err)
	}
	c, err := credentialsOf(resp.Msg, key, info.Server)
	if err != nil {
		return Credentials{}, fmt.Errorf("server %s: its answer: %w", info.Server, err)
	}
	if o, _ := c.open(); pinOf(o.ca) != info.Pin {
		return Credentials{}, explain(info.Server, errOtherCluster)
	}
	return c, nil
}

// credentialsOf checks that what the server sent belongs to key.
func credentialsOf(r *wirepb.JoinResponse, key *ecdsa.PrivateKey, server string) (Credentials, error) {
	text, err := keyToPEM(key)
	if err != nil {
		return Credentials{}, err
	}
	c := Credentials{
		Server: server, Cluster: r.Cluster, Name: r.Node,
		Key: string(text), Certificate: string(r.Certificate), CA: string(r.Ca),
	}
	_, err = c.open()
	return c, err
}
