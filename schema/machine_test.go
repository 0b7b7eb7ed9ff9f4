package schema_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bayplan/bayplan/schema"
)

// TestMachinePolicy_Refuses what a line does not allow, and names the line; so does
// what the node tells of it.
func TestMachinePolicy_Refuses(t *testing.T) {
	const text = `# what this machine runs
privileges host-network=infra/ devices
registries registry.example docker.io/library   # and no others
teams shop/ infra/
cpu 2
memory 1Gi
`
	p, err := schema.ReadMachinePolicy("/etc/policy", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	told, ok := schema.ParseMachinePolicy(p.String())
	if !ok {
		t.Fatalf("%s is told as none", p.String())
	}
	work := func(name string, set func(*schema.Workload)) *schema.Workload {
		w := &schema.Workload{Name: name, Kind: schema.Service, Image: "nginx"}
		set(w)
		return w
	}
	for _, c := range []struct {
		w    *schema.Workload
		want string
	}{
		{work("shop/web", func(*schema.Workload) {}), ""},
		{work("infra/dns", func(w *schema.Workload) { w.Network = schema.Host }), ""},
		{work("shop/dns", func(w *schema.Workload) { w.Network = schema.Host }), "/etc/policy:2: it asks for host-network (network)"},
		{work("shop/db", func(w *schema.Workload) { w.Volumes = map[string]schema.Volume{"d": {Host: "data"}} }), "/etc/policy:2: it asks for host-volumes (volumes.d.host)"},
		{work("shop/web", func(w *schema.Workload) { w.Image = "quay.io/x/y" }), "/etc/policy:3: images and artifacts from registry.example or docker.io/library only, got quay.io/x/y"},
		{work("shopping/web", func(*schema.Workload) {}), "/etc/policy:4: workloads of teams under shop/ or infra/ only"},
		{work("shop/web", func(w *schema.Workload) { w.Resources.Limit.CPU = 2001 }), "/etc/policy:5: at most 2 cpu for a slot, it asks for 2001m"},
		{work("shop/web", func(w *schema.Workload) { w.Resources.Memory = 2 << 30 }), "/etc/policy:6: at most 1Gi memory for a slot, it asks for 2Gi"},
	} {
		for _, p := range []schema.MachinePolicy{p, told} {
			if got := p.Refuses(c.w); got != c.want {
				t.Errorf("%s: %q, want %q", c.w.Name, got, c.want)
			}
		}
	}
	later, ok := schema.ParseMachinePolicy(p.String() + "; 9 moonphase full; x; 10 cpu lots")
	if d := cmp.Diff(told.String(), later.String()); !ok || d != "" {
		t.Errorf("what a newer machine tells: %v %s", ok, d)
	}
}

// TestReadMachinePolicy_Mistakes are told all at once, with their lines.
func TestReadMachinePolicy_Mistakes(t *testing.T) {
	_, err := schema.ReadMachinePolicy("p", []byte("privileges everything\nregistry x\nregistries !\nteams shop\ncpu 1 2\nmemory much\nteams\n"))
	if err == nil {
		t.Fatal("it is taken")
	}
	for i, want := range []string{"p:1: there is no privilege", "p:2: \"registry\" is no rule", "p:3: \"!\" is no registry", "p:4: teams: \"shop\" is no path", "p:5: cpu: want one amount", "p:6: ", "p:7: teams: want paths"} {
		if lines := strings.Split(err.Error(), "\n"); len(lines) != 7 || !strings.HasPrefix(lines[i], want) {
			t.Errorf("want line %q of:\n%v", want, err)
		}
	}
	if _, err := schema.ReadMachinePolicy("p", []byte("# nothing\n")); err == nil || !strings.Contains(err.Error(), "no rules") {
		t.Errorf("a policy of nothing: %v", err)
	}
	if _, ok := schema.ParseMachinePolicy("nothing"); ok {
		t.Error("an attribute that is no policy is taken for one")
	}
}
