package load

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"

	"cuelang.org/go/cue"
	cuejson "cuelang.org/go/encoding/json"
)

// underPolicy is the workload's data with what the policy adds, every default
// included; nothing after errors. Added tells that there is any.
func (c *candidate) underPolicy(kinds func() cue.Value, text []byte) (held []byte, added bool, err error) {
	bare, err := decodeTree(text)
	if err != nil {
		return nil, false, err
	}
	v := c.policy.hold(bare, c.rule)
	for _, o := range v.errs {
		if dataAt(bare, o.path) == nil && dataAt(c.rule.filled(bare), o.path) != nil {
			o.text += ", the default"
		}
		c.fail(o.path, "the cluster's policy %s", o.text)
	}
	if len(v.errs) > 0 {
		return nil, false, nil
	}
	added = !reflect.DeepEqual(v.data, c.rule.filled(bare))
	if added && !c.takes(kinds, additions(c.rule.filled(bare), v.data), v.data) {
		return nil, true, nil
	}
	held, err = json.Marshal(v.data)
	return held, added, err
}

// additions are what is not in the former data, or is otherwise there.
func additions(was, is any) any {
	before, then := was.(map[string]any)
	now, still := is.(map[string]any)
	if !then || !still {
		return is
	}
	more := map[string]any{}
	for name, x := range now {
		if old, ok := before[name]; !ok || !reflect.DeepEqual(old, x) {
			more[name] = additions(old, x)
		}
	}
	return more
}

// takes checks that the workload's kind takes what the policy adds.
func (c *candidate) takes(kinds func() cue.Value, added, whole any) bool {
	text, _ := json.Marshal(added) // what comes of JSON is JSON
	key := sha256.Sum256(append(append([]byte(c.kindName), 0), text...))
	if taken.has(key) {
		return true
	}
	if !c.stillOf(kinds, whole) {
		return false
	}
	taken.add(key)
	return true
}

// taken are additions that the embedded schema's kinds take. It says something of
// each field by itself: what one workload may be given, every other of its kind
// may, whatever the package.
var taken additionsTaken

// maxTaken bounds what is remembered: 300 KiB.
const maxTaken = 10_000

type additionsTaken struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]bool
}

func (a *additionsTaken) has(key [sha256.Size]byte) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all[key]
}

func (a *additionsTaken) add(key [sha256.Size]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil || len(a.all) == maxTaken {
		a.all = map[[sha256.Size]byte]bool{}
	}
	a.all[key] = true
}

// stillOf checks that what the policy made of a workload is one: an operator's
// slip is told by the policy's name.
func (c *candidate) stillOf(kinds func() cue.Value, data any) bool {
	err := c.conforming(kinds(), data)
	if err == nil {
		return true
	}
	e := telling(err)[0]
	path, text := c.inside(unlabelled(e.Path())), words(e)
	if r := c.rule.at(path); r != nil {
		text = fmt.Sprintf("want %s, got %s", cmp.Or(r.want, text), gotData(dataAt(data, path)))
	} else if len(path) > 0 {
		text = fmt.Sprintf("there is no field %q", path[len(path)-1])
	}
	c.fail(path, "the cluster's policy (%s) makes it what no %s may be: %s", where(c.policy.rule.Pos()), c.kindName, text)
	return false
}

func (c *candidate) conforming(kinds cue.Value, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	x, err := cuejson.Extract("", text)
	if err != nil {
		return err
	}
	kind := kinds.LookupPath(cue.MakePath(cue.Str(c.kindName)))
	return kind.Unify(kinds.Context().BuildExpr(x)).Validate(cue.Concrete(true))
}

func gotData(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return short(string(text), 60)
}
