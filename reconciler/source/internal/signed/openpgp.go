package signed

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// openpgpKeys are the public keys of those who may sign. Their expiry and their
// revocations stand in the keys themselves.
type openpgpKeys openpgp.EntityList

// weak are hashes for which two texts with one signature can be made.
var weak = []crypto.Hash{crypto.MD5, crypto.SHA1, crypto.RIPEMD160}

// check is gpg --verify. The key counts now; an earlier time, which is the
// signer's word alone, would not let in more.
func (k openpgpKeys) check(payload []byte, armored string, now time.Time) (string, error) {
	packets, err := dearmor(armored)
	if err != nil {
		return "", refuse(Bad, "carries an OpenPGP signature that cannot be read: %s", openpgpText(err))
	}
	cfg := &packet.Config{Time: func() time.Time { return now }}
	sig, entity, err := openpgp.VerifyDetachedSignature(openpgp.EntityList(k), bytes.NewReader(payload), bytes.NewReader(packets), cfg)
	if errors.Is(err, pgperrors.ErrUnknownIssuer) {
		return "", refuse(Unknown, "is signed with %s, which is nobody's who may sign", issuer(packets))
	}
	if entity == nil {
		return "", refuse(Bad, "carries an OpenPGP signature that does not fit it: %s", openpgpText(err))
	}
	who := nameOf(entity)
	switch {
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return "", refuse(Revoked, "is signed by %s, whose key was revoked", who)
	case errors.Is(err, pgperrors.ErrKeyExpired), errors.Is(err, pgperrors.ErrSignatureExpired):
		return "", refuse(Expired, "is signed by %s, whose key expired", who)
	case err != nil:
		return "", refuse(Bad, "carries an OpenPGP signature of %s that does not fit it: %s", who, openpgpText(err))
	case slices.Contains(weak, sig.Hash):
		return "", refuse(Bad, "is signed by %s by %s, which proves nothing", who, sig.Hash)
	case sig.CreationTime.After(now.Add(clockSkew)):
		return "", refuse(Bad, "is signed by %s at %s, which is to come", who, day(sig.CreationTime))
	}
	return who, nil
}

// clockSkew is how far a signer's clock may be ahead of ours.
const clockSkew = 5 * time.Minute

func openpgpText(err error) string { return strings.TrimPrefix(err.Error(), "openpgp: ") }

// nameOf is a key for people: a name that it carries and its fingerprint.
func nameOf(e *openpgp.Entity) string {
	key := fmt.Sprintf("the key %X", e.PrimaryKey.Fingerprint)
	if id := e.PrimaryIdentity(); id != nil {
		return id.Name + " with " + key
	}
	return key
}

// issuer is the key that a signature says it is by.
func issuer(packets []byte) string {
	p, err := packet.Read(bytes.NewReader(packets))
	sig, ok := p.(*packet.Signature)
	switch {
	case err != nil || !ok || sig.IssuerKeyId == nil:
		return "a key"
	case len(sig.IssuerFingerprint) > 0:
		return fmt.Sprintf("the key %X", sig.IssuerFingerprint)
	}
	return fmt.Sprintf("the key %016X", *sig.IssuerKeyId)
}

// dearmor is the signature's packets; a checksum that is wrong is an error.
func dearmor(armored string) ([]byte, error) {
	block, err := armor.Decode(strings.NewReader(armored))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(block.Body)
}
