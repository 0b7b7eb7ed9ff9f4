package wire

import (
	"encoding/json"
	"strings"
	"testing"
)

// I37: an agent that does not know a field takes over nothing, however deep the
// field stands; a server that does not know one still sees the node.
func TestDecode_UnknownFields(t *testing.T) {
	b, err := json.Marshal(assignment("n1", 1, 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decodeAssignment(b, "n1"); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{`"node":`, `"slot":`, `"name":`} {
		newer := strings.Replace(string(b), at, `"gpu":1,`+at, 1)
		_, err := decodeAssignment([]byte(newer), "n1")
		wantErr(t, err, `unknown field "gpu"`, "upgrade it")
	}
	if _, err := decodeReport([]byte(`{"node":{"name":"n1","gpu":1},"instances":[{"id":"a","gpu":1}]}`), "n1"); err != nil {
		t.Error(err)
	}
}

func TestDecode_Refusals(t *testing.T) {
	for text, want := range map[string]string{
		`{"node":"n2","orders":[]}`:                                                 `for node "n2", this is "n1"`,
		`{"node":"n1","orders":[{"id":"a"}]}`:                                       `order "a" has no workload`,
		`{"node":"n1","orders":[{"id":"b","stop":true},{"id":"a","stop":true}]}`:    "are not in order",
		`{"node":"n1","orders":[]}{}`:                                               "more than one document",
		`{"node":"n1","version":{"epoch":1.5,"serial":1},"orders":[]}`:              "epoch",
		`{"node":"n1","orders":[{"id":"a","stop":true,"slot":"none"}]}`:             "no slot",
		`{"node":"n1","orders":[{"id":"a","workload":{"resources":{"cpu":"-1"}}}]}`: "cpu",
	} {
		_, err := decodeAssignment([]byte(text), "n1")
		wantErr(t, err, "assignment: ", want)
	}
	for text, want := range map[string]string{
		`{"node":{"name":"n2"}}`:                                            `of node "n2"`,
		`{"node":{"name":"n1"},"instances":[{"id":""}]}`:                    "no ID",
		`{"node":{"name":"n1"},"instances":[{"id":"a"},{"id":"a"}]}`:        "not in order",
		`{"node":{"name":"n1"},"instances":[{"id":"a","phase":"jumping"}]}`: `"jumping" is no phase`,
	} {
		_, err := decodeReport([]byte(text), "n1")
		wantErr(t, err, "report: ", want)
	}
	_, err := decodeChange([]byte(`{"node":{"name":"n2"}}`), "n1")
	wantErr(t, err, `of node "n2"`)
	_, err = decodeChange([]byte(`{"gone":["b","a"]}`), "n1")
	wantErr(t, err, "not sorted")
}
