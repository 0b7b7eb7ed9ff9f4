package scheduler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// user is a pool below "0-all" whose slots ask cpu and memory each.
type user struct {
	name   string
	parent string
	weight int
	cpu    schema.CPU
	mem    schema.Bytes
	slots  int
}

// contest lets users contend for nodes of one size.
func contest(count int, cpu schema.CPU, mem schema.Bytes, users []user) (pool scheduler.Pool, requests []scheduler.Request) {
	pool.Tree = scheduler.Tree{{Name: "0-all", Weight: 1}}
	for i := range count {
		n := node(fmt.Sprintf("n%03d", i))
		n.Node.Attributes = map[string]string{"pool": "0-all"}
		n.Node.Allocatable = nodes.Capacity{CPU: cpu, Memory: mem}
		pool.Nodes = append(pool.Nodes, n)
	}
	for _, u := range users {
		parent := u.parent
		if parent == "" {
			parent = "0-all"
		}
		if pool.Tree.Find(u.name) == nil {
			pool.Tree = append(pool.Tree, schema.Pool{Name: u.name, Parent: parent, Weight: max(u.weight, 1)})
		}
	}
	slices.SortFunc(pool.Tree, func(a, b schema.Pool) int { return strings.Compare(a.Name, b.Name) })
	return pool, contestants(users)
}

func contestants(users []user) (requests []scheduler.Request) {
	for _, u := range users {
		w := &schema.Workload{Name: u.name + "/w", Pool: u.name, Resources: schema.Resources{CPU: u.cpu, Memory: u.mem}}
		for i := range u.slots {
			requests = append(requests, request(w, i))
		}
	}
	return requests
}

// shared is who got how many.
func shared(pool scheduler.Pool, requests []scheduler.Request) string {
	placed, _ := scheduler.Place(pool, requests)
	got := map[string]int{}
	for _, p := range placed {
		name, _, _ := strings.Cut(p.Slot.Workload, "/")
		got[name]++
	}
	return strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(got), "map["), "]")
}

// TestPlace_Shares are the tables of DRF (Ghodsi et al., NSDI 2011) and H-DRF
// (Bhattacharya et al., SoCC 2013).
func TestPlace_Shares(t *testing.T) {
	const gb = 1 << 30
	for _, c := range []struct {
		cpu   schema.CPU
		mem   schema.Bytes
		users []user
		want  string
	}{
		{9, 18 * gb, []user{{"a", "", 1, 1, 4 * gb, 99}, {"b", "", 1, 3, gb, 99}}, "a:3 b:2"},
		{90, 180 * gb, []user{{"a", "", 1, 1, 4 * gb, 999}, {"b", "", 1, 3, gb, 999}}, "a:30 b:20"},
		{900, 1800 * gb, []user{{"a", "", 1, 1, 4 * gb, 999}, {"b", "", 1, 3, gb, 999}}, "a:300 b:200"},
		{9, 18 * gb, []user{{"a", "", 3, 1, 4 * gb, 99}, {"b", "", 1, 3, gb, 99}}, "a:4 b:1"},
		{100, 10_000, []user{{"a", "", 1, 2, 300, 99}, {"b", "", 1, 6, 100, 99}}, "a:20 b:10"},
		{30, 30, []user{{"a", "", 1, 1, 3, 99}, {"b", "", 1, 1, 1, 99}}, "a:5 b:15"},
		{10, 10, []user{{"eng", "", 1, 0, 0, 0}, {"eng1", "eng", 1, 1, 0, 99}, {"eng2", "eng", 1, 0, 1, 99}, {"sci", "", 1, 1, 1, 99}}, "eng1:5 eng2:5 sci:5"},
	} {
		pool, requests := contest(1, c.cpu, c.mem, c.users)
		if got := shared(pool, requests); got != c.want {
			t.Errorf("%v: %s, want %s", c.users, got, c.want)
		}
		other, name := relisted(c.users)
		pool, requests = contest(1, c.cpu, c.mem, other)
		got := strings.Fields(name.Replace(shared(pool, requests)))
		if slices.Sort(got); strings.Join(got, " ") != c.want {
			t.Errorf("%v: %s, want %s", other, got, c.want)
		}
	}
}

// relisted is the users under names that list them the other way round, and what
// tells who is who.
func relisted(users []user) (other []user, who *strings.Replacer) {
	var names, swap []string
	for _, u := range users {
		names = append(names, u.name)
	}
	slices.Sort(names)
	for i, name := range names {
		swap = append(swap, name, names[len(names)-1-i])
	}
	slices.Reverse(swap) // the longer names first
	for i := 0; i < len(swap); i += 2 {
		swap[i], swap[i+1] = swap[i+1], swap[i]
	}
	who = strings.NewReplacer(swap...)
	for _, u := range users {
		u.name, u.parent = who.Replace(u.name), who.Replace(u.parent)
		other = append(other, u)
	}
	return other, who
}

// TestPlace_ShareEnds: of 9 cpu and 18 GB both of the paper's users end with two
// thirds of what they have most of.
func TestPlace_ShareEnds(t *testing.T) {
	const gb = 1 << 30
	pool, requests := contest(1, 9, 18*gb, []user{{"a", "", 1, 1, 4 * gb, 99}, {"b", "", 1, 3, gb, 99}})
	table := scheduler.Open(pool)
	table.Place(requests)
	for _, s := range table.Standings()[1:] {
		if s.Share != 666 {
			t.Errorf("%s has %d thousandths", s.Pool.Name, s.Share)
		}
	}
}

// TestPlace_ShareOrder: one slot at a time goes to whoever has the lowest
// dominant share, and where nobody has any to the larger one: to B, A, A, B, A,
// whichever is listed first.
func TestPlace_ShareOrder(t *testing.T) {
	const gb = 1 << 30
	for _, names := range [][2]string{{"a", "b"}, {"z", "b"}} {
		users := []user{{names[0], "", 1, 1, 4 * gb, 99}, {names[1], "", 1, 3, gb, 99}}
		if order := orderOf(t, users, 9, 18*gb, 5); order != "b"+names[0]+names[0]+"b"+names[0] {
			t.Error(order)
		}
	}
}

// orderOf is who gets the first slots of one node: each slot takes one of its
// ports, of which it has one more each time.
func orderOf(t *testing.T, users []user, cpu schema.CPU, mem schema.Bytes, slots int) (order string) {
	was := map[string]int{}
	for cut := 1; cut <= slots; cut++ {
		pool, requests := contest(1, cpu, mem, users)
		pool.Nodes[0].Node.PortMin, pool.Nodes[0].Node.PortMax = 20000, 20000+cut-1
		for i := range requests {
			requests[i].Workload.Ports = map[string]schema.Port{"p": {Container: 80}}
		}
		placed, _ := scheduler.Place(pool, requests)
		if len(placed) != cut {
			t.Fatal(placed)
		}
		now := map[string]int{}
		for _, p := range placed {
			name, _, _ := strings.Cut(p.Slot.Workload, "/")
			if now[name]++; now[name] > was[name] {
				order += name
			}
		}
		was = now
	}
	return order
}

// TestPlace_Guarantee holds free what is guaranteed, whether it is used or not,
// unless it is lent to revocable work.
func TestPlace_Guarantee(t *testing.T) {
	pool, _ := contest(1, 1000, 512<<20, []user{{name: "free"}, {name: "sure"}})
	pool.Tree[2].Guarantee = &schema.Quantity{CPU: 500, Memory: 200 << 20}
	free := contestants([]user{{"free", "", 1, 100, 52 << 20, 99}})
	sure := contestants([]user{{"sure", "", 1, 100, 40 << 20, 99}})
	for _, c := range []struct {
		want     string
		requests []scheduler.Request
	}{{"free:5", free}, {"free:5 sure:5", slices.Concat(free, sure)}, {"sure:10", sure}} {
		if got := shared(pool, c.requests); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	_, unplaced := scheduler.Place(pool, contestants([]user{{"free", "", 1, 501, 0, 1}}))
	want := "none of 1 nodes can take it: 1 refused by guarantee (needs 501m cpu; pool 0-all has 0 of 500m that are not kept for others)"
	if got := unplaced[0].Why.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	free[0].Workload.Revocable, pool.Tree[2].Lend = true, true
	if got := shared(pool, free); got != "free:9" {
		t.Errorf("lent: %s", got)
	}
	pool.Tree[2].Lend = false
	if got := shared(pool, free); got != "free:5" {
		t.Errorf("not lent: %s", got)
	}
}

// TestPlace_Limit bounds a pool and what is below it.
func TestPlace_Limit(t *testing.T) {
	pool, requests := contest(2, 1000, 1<<30, []user{{name: "org"}, {"org1", "org", 1, 100, 1, 9}, {"org2", "org", 1, 100, 1, 9}, {"rest", "", 1, 100, 1, 99}})
	pool.Tree[1].Limit = &schema.Quantity{CPU: 500}
	pool.Tree[2].Limit = &schema.Quantity{CPU: 200}
	if got := shared(pool, requests); got != "org1:2 org2:3 rest:15" {
		t.Error(got)
	}
	pool.Use = map[string]scheduler.Use{"org2": {CPU: 450, Slots: 4}}
	pool.Nodes[0].Reserved.CPU = 450
	_, unplaced := scheduler.Place(pool, requests[:1])
	for _, v := range scheduler.Open(pool).AskAll(&requests[0]) {
		if v.Fits || v.Filter != "limit" {
			t.Error(v)
		}
	}
	want := "none of 2 nodes can take it: 2 refused by limit (needs 100m cpu; pool org has 450m of 500m)"
	if got := unplaced[0].Why.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestPlace_Priority serves the higher priority first, whatever the order.
func TestPlace_Priority(t *testing.T) {
	low, high := work("a/low"), work("b/high")
	high.Priority = 1
	low.Resources.CPU, high.Resources.CPU = 1500, 1500
	pool := scheduler.Pool{Nodes: []scheduler.Node{node("n1")}}
	placed, unplaced := scheduler.Place(pool, []scheduler.Request{request(low, 0), request(high, 0)})
	if len(placed) != 1 || placed[0].Slot.Workload != "b/high" || len(unplaced) != 1 {
		t.Error(placed, unplaced)
	}
}

// TestPlace_Gang places all or none, and what a gang could not use is left to
// others.
func TestPlace_Gang(t *testing.T) {
	pool := scheduler.Pool{Nodes: []scheduler.Node{node("n1"), node("n2")}}
	pool.Nodes[0].Node.Attributes["device.gpu"] = "1"
	gang, other := work("a/gang"), work("b/other")
	gang.Gang, gang.Resources.CPU, other.Resources.CPU = true, 900, 1500
	gang.Ports = map[string]schema.Port{"p": {Container: 80}}
	requests := func(slots int) (all []scheduler.Request) {
		for i := range slots {
			all = append(all, request(gang, i))
		}
		return append(all, request(other, 0))
	}
	placed, unplaced := scheduler.Place(pool, requests(4))
	if len(placed) != 4 || len(unplaced) != 1 {
		t.Errorf("4 of a gang: %v", placed)
	}
	placed, unplaced = scheduler.Place(pool, requests(5))
	if len(placed) != 1 || placed[0].Slot.Workload != "b/other" || len(unplaced) != 5 {
		t.Errorf("5 of a gang: %v", placed)
	}
	if why := unplaced[0].Why.String(); !strings.HasSuffix(why, "; all of its 5 slots are placed or none, and 4 of them fit") {
		t.Error(why)
	}
}

// TestPlace_NearLater: what must be near another finds its place even if it
// comes first.
func TestPlace_NearLater(t *testing.T) {
	web, db := work("a/web"), work("b/db")
	web.Near = []schema.Near{{Workload: "b/db", Over: "node", Must: true}}
	pool := scheduler.Pool{Nodes: []scheduler.Node{node("n1"), node("n2")}}
	placed, unplaced := scheduler.Place(pool, []scheduler.Request{request(web, 0), request(db, 0)})
	if len(unplaced) > 0 || placed[0].Node != placed[1].Node {
		t.Error(placed, unplaced)
	}
}
