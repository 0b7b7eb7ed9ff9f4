package doctor

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/build"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
)

// theClient goes as far as the way to the server is open: a check that cannot
// be made is left out.
func theClient(ctx context.Context, c client.Config) []Finding {
	if err := c.Check(); err != nil {
		return []Finding{unconfigured(err)}
	}
	all := []Finding{{"client", OK, "asks " + c.Server, ""}, certificate(c, time.Now())}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	info, header, err := ask(ctx, c)
	if err != nil {
		return append(all, trouble("server", client.Classify(err)))
	}
	return append(all,
		Finding{"server", OK, fmt.Sprintf("%s answers over TLS 1.3 and follows %s, branch %s", info.Cluster, dash(info.Source), dash(info.Branch)), ""},
		versions(build.Version(), info.Version),
		clocks(time.Now(), header))
}

// unconfigured is only a warning where nothing was set: not every machine is an
// operator's.
func unconfigured(err error) Finding {
	f := trouble("client", err)
	if exit.CodeOf(err) == exit.Unreachable {
		f.State = Warn
	}
	return f
}

func trouble(check string, err error) Finding {
	f := Finding{Check: check, State: Fail, Text: err.Error()}
	if next := exit.Next(err); next != "bayplan doctor" {
		f.Next = next
	}
	if check == "server" && f.Next == "" {
		f.Next = "start it (`bayplan server`, or `bayplan dev`), or check $" + client.EnvServer + " and the firewall between"
	}
	return f
}

func ask(ctx context.Context, c client.Config) (*controlpb.InfoResponse, http.Header, error) {
	conn, err := c.Dial()
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	r, err := conn.Info(ctx, connect.NewRequest(&controlpb.InfoRequest{}))
	if err != nil {
		return nil, nil, err
	}
	return r.Msg, r.Header(), nil
}

// soon is when a certificate's end deserves a warning.
const soon = 14 * 24 * time.Hour

func certificate(c client.Config, now time.Time) Finding {
	leaf, err := c.Certificate()
	if err != nil {
		return trouble("certificate", err)
	}
	left, text := leaf.NotAfter.Sub(now), fmt.Sprintf("%s, until %s", leaf.Subject.CommonName, leaf.NotAfter.Format(time.DateOnly))
	const next = "get a new one from whoever runs the server"
	switch {
	case left <= 0:
		return Finding{"certificate", Fail, text + ": it is over", next}
	case now.Before(leaf.NotBefore):
		return Finding{"certificate", Fail, text + ": it is not valid yet; is this machine's clock right?", "set the clock"}
	case left < soon:
		return Finding{"certificate", Warn, text + ": it ends soon", next}
	}
	return Finding{"certificate", OK, text, ""}
}

func versions(mine, theirs string) Finding {
	text := fmt.Sprintf("client %s, server %s", mine, theirs)
	if mine != theirs {
		return Finding{"versions", Warn, text, "use the server's version of bayplan"}
	}
	return Finding{"versions", OK, text, ""}
}

// maxSkew is what ages and certificates bear; the header counts whole seconds.
const maxSkew = 5 * time.Second

// clocks compares with the Date that every answer carries.
func clocks(now time.Time, h http.Header) Finding {
	theirs, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return Finding{"clock", Warn, "the server tells no time", ""}
	}
	skew := now.Sub(theirs).Truncate(time.Second)
	if skew.Abs() > maxSkew {
		return Finding{"clock", Warn, fmt.Sprintf("%s away from the server's", skew.Abs()), "let both machines follow NTP (timedatectl set-ntp true)"}
	}
	return Finding{"clock", OK, "agrees with the server's", ""}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
