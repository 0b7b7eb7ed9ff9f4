package agent

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

func slot(i int) schema.Slot { return schema.Slot{Workload: "infra/etcd", Index: i} }

func TestContainerOf_IntroducesFellows(t *testing.T) {
	w := &schema.Workload{Name: "infra/etcd", Kind: schema.Stateful, Env: map[string]string{"BAYPLAN_PEER_1_PEER": "mine"},
		Ports: map[string]schema.Port{"peer": {Container: 2380}}}
	o := &nodes.Order{ID: "infra/etcd.1@d", Slot: slot(1), Digest: "d", Workload: w, Ports: map[string]int{"peer": 20001}, Peers: []nodes.Peer{
		{Slot: slot(0), Address: "10.0.0.1", Ports: map[string]int{"peer": 20007}},
		{Slot: slot(1), Address: "10.0.0.2", Ports: map[string]int{"peer": 20001}},
		{Slot: slot(2), Address: "fe80::3", Ports: map[string]int{"peer": 20002}},
		{Slot: slot(3), Address: "n4.example", Ports: map[string]int{"peer": 20003}},
	}}
	c := containerOf(o, "n2", "10.0.0.2")
	for name, want := range map[string]string{
		"BAYPLAN_ORDINAL": "1", "BAYPLAN_REPLICAS": "4", "BAYPLAN_PEER_0_PEER": "10.0.0.1:20007", "BAYPLAN_PEER_2_PEER": "[fe80::3]:20002",
		"BAYPLAN_PEERS_PEER": "etcd-0=10.0.0.1:20007,etcd-1=10.0.0.2:20001,etcd-2=[fe80::3]:20002,etcd-3=n4.example:20003",
	} {
		if c.Env[name] != want {
			t.Errorf("%s is %q, want %q", name, c.Env[name], want)
		}
	}
	if _, ours := c.Env["BAYPLAN_PEER_1_PEER"]; ours {
		t.Error("the workload's own word does not win")
	}
	// A bridge has its own address for its own name; a name for a name there is not.
	hosts := []HostName{{"etcd-0", "10.0.0.1"}, {"etcd-2", "fe80::3"}}
	if diff := cmp.Diff(hosts, c.Hosts); diff != "" || c.Hostname != "etcd-1" {
		t.Errorf("called %q\n%s", c.Hostname, diff)
	}
	w.Network = schema.Host
	if diff := cmp.Diff(append(hosts[:1:1], HostName{"etcd-1", "10.0.0.2"}, hosts[1]), containerOf(o, "n2", "10.0.0.2").Hosts); diff != "" {
		t.Error(diff)
	}
	w.Kind = schema.Service
	if c := containerOf(o, "n2", "10.0.0.2"); c.Hostname != "" || c.Hosts != nil || c.Env["BAYPLAN_ORDINAL"] != "" {
		t.Error("a service's slot is introduced")
	}
}

// I18: no Assignment runs a slot and deletes its volumes.
func TestAdmit_DeletesNothingUsed(t *testing.T) {
	order := nodes.Order{ID: nodes.InstanceID(slot(0), "d"), Slot: slot(0), Digest: "d", Workload: &schema.Workload{Name: "infra/etcd"}}
	for name, c := range map[string]struct {
		stop      bool
		deletions []nodes.Deletion
		refused   bool
	}{
		"another's":  {deletions: []nodes.Deletion{{Slot: slot(1)}}},
		"its own":    {deletions: []nodes.Deletion{{Slot: slot(0)}}, refused: true},
		"of an end":  {stop: true, deletions: []nodes.Deletion{{Slot: slot(0)}}},
		"twice":      {deletions: []nodes.Deletion{{Slot: slot(1)}, {Slot: slot(1)}}, refused: true},
		"not sorted": {deletions: []nodes.Deletion{{Slot: slot(2)}, {Slot: slot(1)}}, refused: true},
	} {
		o := order
		o.Stop = c.stop
		next := nodes.Assignment{Node: "n1", Version: nodes.Version{Epoch: 1, Serial: 1}, Orders: []nodes.Order{o}, Deletions: c.deletions}
		if _, err := Admit("n1", nodes.Assignment{}, next); (err != nil) != c.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}
