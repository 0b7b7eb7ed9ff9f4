package signed

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// namespace is git's: a signature that was made for a file or a mail is none.
const namespace = "git"

// sshKeys are the allowed signers and the keys that were revoked.
type sshKeys struct {
	allowed []allowed
	revoked []ssh.PublicKey
}

// check is ssh-keygen -Y verify, for git.
func (k *sshKeys) check(payload []byte, armored string, made, now time.Time) (string, error) {
	sig, err := sshsig.Unarmor([]byte(armored))
	if err != nil {
		return "", refuse(Bad, "carries an ssh signature that cannot be read: %v", err)
	}
	if sig.Signature.Format == ssh.KeyAlgoRSA { // by SHA-1, which ssh-keygen refuses as well
		return "", refuse(Bad, "is signed by SHA-1, which proves nothing")
	}
	if err := sshsig.Verify(bytes.NewReader(payload), sig, sig.PublicKey, sig.HashAlgorithm, namespace); err != nil {
		return "", refuse(Bad, "carries a signature of %s that does not fit it", keyName(sig.PublicKey))
	}
	return k.signer(sig.PublicKey, made, now)
}

// signer is who the key belongs to. Of several lines one that holds is enough.
func (k *sshKeys) signer(key ssh.PublicKey, made, now time.Time) (string, error) {
	if k.isRevoked(key) {
		return "", refuse(Revoked, "is signed with %s, which was revoked", keyName(key))
	}
	var late error
	for i := range k.allowed {
		who, ours, err := k.allowed[i].vouches(key, made, now)
		if ours && err == nil {
			return who, nil
		}
		if ours && late == nil {
			late = err
		}
	}
	if late != nil {
		return "", late
	}
	return "", refuse(Unknown, "is signed with %s, which is no allowed signer's", keyName(key))
}

// isRevoked looks for a certificate's authority too.
func (k *sshKeys) isRevoked(key ssh.PublicKey) bool {
	keys := []ssh.PublicKey{key}
	if cert, ok := key.(*ssh.Certificate); ok {
		keys = append(keys, cert.Key, cert.SignatureKey)
	}
	return slices.ContainsFunc(keys, func(key ssh.PublicKey) bool {
		return slices.ContainsFunc(k.revoked, func(r ssh.PublicKey) bool { return same(r, key) })
	})
}

func same(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

// keyName is a key for people, as ssh-keygen -l shows it.
func keyName(key ssh.PublicKey) string {
	if cert, ok := key.(*ssh.Certificate); ok {
		return fmt.Sprintf("the certificate %q of %s", cert.KeyId, ssh.FingerprintSHA256(cert.SignatureKey))
	}
	return "the key " + ssh.FingerprintSHA256(key)
}

// vouches is whether the line is the key's, and if so for whom, or why not at
// these times.
func (a *allowed) vouches(key ssh.PublicKey, made, now time.Time) (who string, ours bool, err error) {
	cert, certified := key.(*ssh.Certificate)
	signs := key
	if certified {
		signs = cert.SignatureKey
	}
	if certified != a.authority || !same(a.key, signs) {
		return "", false, nil
	}
	who = a.principals
	if certified {
		who, err = a.certified(cert, made, now)
	}
	if err == nil {
		err = a.inTime(who, key, made, now)
	}
	return who, true, err
}

// inTime is about the line's own dates.
func (a *allowed) inTime(who string, key ssh.PublicKey, made, now time.Time) error {
	for _, at := range []time.Time{made, now} {
		if !a.after.IsZero() && at.Before(a.after) {
			return refuse(Expired, "is signed by %s with %s, which counts from %s on", who, keyName(key), day(a.after))
		}
		if !a.before.IsZero() && !at.Before(a.before) {
			return refuse(Expired, "is signed by %s with %s, which expired on %s", who, keyName(key), day(a.before))
		}
	}
	return nil
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// certified is the one of the certificate's names that the line allows.
func (a *allowed) certified(cert *ssh.Certificate, made, now time.Time) (string, error) {
	at := slices.IndexFunc(cert.ValidPrincipals, a.names)
	if cert.CertType != ssh.UserCert || at < 0 {
		return "", refuse(Unknown, "is signed with %s for %q, whom that authority may not vouch for", keyName(cert), strings.Join(cert.ValidPrincipals, ","))
	}
	who := cert.ValidPrincipals[at]
	for _, at := range []time.Time{made, now} {
		checker := ssh.CertChecker{Clock: func() time.Time { return at }}
		if err := checker.CheckCert(who, cert); err != nil {
			return "", refuse(Expired, "is signed by %s with %s: %s", who, keyName(cert), strings.TrimPrefix(err.Error(), "ssh: "))
		}
	}
	return who, nil
}
