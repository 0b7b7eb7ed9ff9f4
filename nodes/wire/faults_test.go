package wire

import (
	"context"
	"testing"

	"github.com/bayplan/bayplan/nodes/wire/wirepb"
)

func TestSession_ProtocolFaults(t *testing.T) {
	hello := func(p uint32) *wirepb.AgentMessage {
		return &wirepb.AgentMessage{Seq: 1, Body: &wirepb.AgentMessage_Hello{Hello: &wirepb.Hello{Protocol: p, Version: "v9"}}}
	}
	for name, x := range map[string]struct {
		send []*wirepb.AgentMessage
		want string
	}{
		"no hello":           {[]*wirepb.AgentMessage{{Seq: 1, Body: &wirepb.AgentMessage_Report{}}}, "the first message is no hello"},
		"another protocol":   {[]*wirepb.AgentMessage{hello(9)}, "the agent (v9) speaks protocol 9, this server 1: upgrade"},
		"a lost message":     {[]*wirepb.AgentMessage{hello(1), {Seq: 3}}, "message 3 came where 2 was due"},
		"an empty message":   {[]*wirepb.AgentMessage{hello(1), {Seq: 2}}, "unknown kind"},
		"a change too early": {[]*wirepb.AgentMessage{hello(1), {Seq: 2, Body: &wirepb.AgentMessage_Change{Change: []byte("{}")}}}, "a change came before"},
		"no JSON":            {[]*wirepb.AgentMessage{hello(1), {Seq: 2, Body: &wirepb.AgentMessage_Report{Report: []byte("{")}}}, "report: unexpected end"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			rpc, closeLink := c.raw("n1")
			defer closeLink()
			s := rpc.Session(context.Background())
			for _, m := range x.send {
				_ = s.Send(m) // the answer tells
			}
			_, err := s.Receive()
			for err == nil {
				_, err = s.Receive()
			}
			wantErr(t, err, x.want)
			_ = s.CloseRequest()
			_ = s.CloseResponse()
		})
	}
}
