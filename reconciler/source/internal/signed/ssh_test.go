package signed

import (
	"bytes"
	"strings"
	"testing"
)

func TestCheck_SSH(t *testing.T) {
	d := newDesk(t, "ssh-keygen")
	ann, bob := d.key("ann", "-t", "ed25519"), d.key("bob", "-t", "rsa", "-b", "2048")
	annPub, bobPub := d.read(ann+".pub"), d.read(bob+".pub")
	byAnn, byBob, byNobody := d.commit("ssh", ann), d.commit("ssh", bob), d.commit("", "")
	for name, test := range map[string]struct {
		allowed, revoked string
		raw              []byte
		signer, kind     string
		words            []string
	}{
		"good":              {"ann@example.org " + annPub, "", byAnn, "ann@example.org", "", nil},
		"rsa":               {"# ours\n\nann@example.org " + annPub + "\n\"bob@example.org\" " + bobPub, "", byBob, "bob@example.org", "", nil},
		"unsigned":          {"ann@example.org " + annPub, "", byNobody, "", Unsigned, []string{"is not signed"}},
		"unknown":           {"bob@example.org " + bobPub, "", byAnn, "", Unknown, []string{"SHA256:"}},
		"nobody":            {"", "", byAnn, "", Unknown, nil},
		"in time":           {`ann@example.org valid-after="20260101Z",valid-before="20270101Z" ` + annPub, "", byAnn, "ann@example.org", "", nil},
		"before its time":   {`ann@example.org valid-after="202603011201Z" ` + annPub, "", byAnn, "", Expired, []string{"ann@example.org", "counts from 2026-03-01 12:01 UTC"}},
		"after its time":    {`ann@example.org valid-before="20260301120000Z" ` + annPub, "", byAnn, "", Expired, []string{"expired on 2026-03-01 12:00 UTC"}},
		"expired since":     {`ann@example.org valid-before="20260302Z" ` + annPub, "", byAnn, "", Expired, []string{"2026-03-02"}},
		"a later line":      {`ann@example.org valid-before="20260302Z" ` + annPub + "\nann@example.org " + annPub, "", byAnn, "ann@example.org", "", nil},
		"for git":           {`ann@example.org namespaces="file,g*" ` + annPub, "", byAnn, "ann@example.org", "", nil},
		"for files":         {`ann@example.org namespaces="file" ` + annPub, "", byAnn, "", Unknown, nil},
		"not for git":       {`ann@example.org namespaces="*,!git" ` + annPub, "", byAnn, "", Unknown, nil},
		"authority's alone": {`ann@example.org cert-authority ` + annPub, "", byAnn, "", Unknown, nil},
		"revoked":           {"ann@example.org " + annPub, "# lost\n" + annPub, byAnn, "", Revoked, []string{"was revoked"}},
		"another's revoked": {"ann@example.org " + annPub, bobPub, byAnn, "ann@example.org", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{t, d.dir}
			d.wants(d.keys(Files{AllowedSigners: d.write(test.allowed), Revoked: d.write(test.revoked)}), test.raw, test.signer, test.kind, test.words...)
		})
	}
}

// A signature fits one commit alone, and was made for git.
func TestCheck_SSHSignatureThatDoesNotFit(t *testing.T) {
	d := newDesk(t, "ssh-keygen")
	ann := d.key("ann", "-t", "ecdsa")
	k := d.keys(Files{AllowedSigners: d.write("ann " + d.read(ann+".pub"))})
	raw := d.commit("ssh", ann)
	d.wants(k, raw, "ann", "")
	d.wants(k, bytes.Replace(raw, []byte("a commit"), []byte("another commit"), 1), "", Bad, "does not fit")
	d.wants(k, bytes.Replace(raw, []byte("Ann"), []byte("Eve"), 1), "", Bad)
	d.wants(k, bytes.Replace(raw, []byte("gpgsig "), []byte("other thing\ngpgsig "), 1), "", Bad)
	d.wants(k, bytes.Replace(raw, []byte("gpgsig -----BEGIN SSH"), []byte("gpgsig -----BEGIN OLD"), 1), "", Bad, "neither")
	d.wants(k, bytes.Replace(raw, []byte("\n\n"), []byte("\ngpgsig again\n\n"), 1), "", Bad, "more than one")

	payload, armored, err := split(raw)
	if err != nil {
		t.Fatal(err)
	}
	file := d.write(string(payload))
	d.run("ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", ann, file)
	other := bytes.Replace(raw, []byte(strings.ReplaceAll(strings.TrimSpace(armored), "\n", "\n ")), []byte(strings.ReplaceAll(d.read(file+".sig"), "\n", "\n ")), 1)
	if bytes.Equal(other, raw) {
		t.Fatal("the signature was not replaced")
	}
	d.wants(k, other, "", Bad, "does not fit")
}

func TestCheck_SSHCertificates(t *testing.T) {
	d := newDesk(t, "ssh-keygen")
	ca, ann := d.key("ca", "-t", "ed25519"), d.key("ann", "-t", "ed25519")
	caPub := d.read(ca + ".pub")
	sign := func(principals, validity string, more ...string) []byte {
		t.Helper()
		args := append([]string{"-q", "-s", ca, "-I", "ann's laptop", "-V", validity, "-n", principals}, more...)
		d.run("ssh-keygen", append(args, ann+".pub")...)
		return d.commit("ssh", ann+"-cert.pub")
	}
	const always = "20260101:20270101"
	good := sign("ann@example.org,ann", always)
	for name, test := range map[string]struct {
		allowed, revoked string
		raw              []byte
		signer, kind     string
		words            []string
	}{
		"good":             {"*@example.org cert-authority " + caPub, "", good, "ann@example.org", "", nil},
		"another name":     {"*@example.com cert-authority " + caPub, "", good, "", Unknown, []string{"ann's laptop", "ann@example.org"}},
		"a name taken out": {"!ann@*,*@example.org cert-authority " + caPub, "", good, "", Unknown, nil},
		"not an authority": {"*@example.org " + caPub, "", good, "", Unknown, nil},
		"another's":        {"*@example.org cert-authority " + d.read(ann+".pub"), "", good, "", Unknown, nil},
		"expired":          {"ann* cert-authority " + caPub, "", sign("ann", "20260101:20260302"), "", Expired, []string{"expired"}},
		"not yet":          {"ann* cert-authority " + caPub, "", sign("ann", "20260302:20270101"), "", Expired, []string{"not yet valid"}},
		"a host's":         {"ann* cert-authority " + caPub, "", sign("ann", always, "-h"), "", Unknown, nil},
		"key revoked":      {"ann* cert-authority " + caPub, d.read(ann + ".pub"), good, "", Revoked, nil},
		"authority gone":   {"ann* cert-authority " + caPub, caPub, good, "", Revoked, nil},
		"authority late":   {`ann* cert-authority,valid-before="20260302Z" ` + caPub, "", good, "", Expired, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{t, d.dir}
			d.wants(d.keys(Files{AllowedSigners: d.write(test.allowed), Revoked: d.write(test.revoked)}), test.raw, test.signer, test.kind, test.words...)
		})
	}
}

func TestRead_SaysWhichLine(t *testing.T) {
	d := newDesk(t, "ssh-keygen")
	pub := d.read(d.key("ann", "-t", "ed25519") + ".pub")
	krl := d.dir + "/krl"
	d.run("ssh-keygen", "-q", "-k", "-f", krl, d.dir+"/ann.pub")
	for name, test := range map[string]struct {
		files Files
		want  string
	}{
		"no key":       {Files{AllowedSigners: d.write("# x\nann " + pub + "\nann@example.org\n")}, "line 3: no public key"},
		"no such file": {Files{AllowedSigners: d.dir + "/none"}, "none: no such file"},
		"option":       {Files{AllowedSigners: d.write("ann no-such-thing " + pub)}, "line 1: the option no-such-thing is not known"},
		"time":         {Files{AllowedSigners: d.write(`ann valid-before="tomorrow" ` + pub)}, `"tomorrow" is no time`},
		"quote":        {Files{AllowedSigners: d.write(`"ann ` + pub)}, "not closed"},
		"binary list":  {Files{Revoked: krl}, "binary revocation list"},
		"revoked":      {Files{Revoked: d.write(pub + "\nnobody\n")}, "line 2: no public key"},
		"openpgp":      {Files{OpenPGP: d.write("hello")}, "no armoured public key"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := test.files.Read()
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

func TestMatches(t *testing.T) {
	for _, x := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"a*c", "abbc", true}, {"a*c", "abbd", false}, {"a?c", "abc", true}, {"a?c", "ac", false},
		{"*@example.org", "ann@example.org", true}, {"*a*a*a*a*b", strings.Repeat("a", 50_000), false}, {"ann", "anna", false}, {"ann**", "ann", true},
	} {
		if got := matches(x.pattern, x.text); got != x.want {
			t.Errorf("%q on %.20q: %v", x.pattern, x.text, got)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte("tree x\ngpgsig -----BEGIN SSH SIGNATURE-----\n U1NIU0lH\n -----END SSH SIGNATURE-----\n\nhello\n"))
	f.Add([]byte("tree x\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----\n\nhello\n"))
	f.Add([]byte("tree x"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		signer, err := (&Keys{}).Check(raw, made, now)
		if _, ok := IsRefusal(err); !ok || signer != "" {
			t.Errorf("%q by nobody's keys: %v", signer, err)
		}
	})
}
