package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/bayplan/bayplan/schema"
)

const (
	// MaxFact bounds one fact, packed. None comes near it: 50,000 orders for one
	// node take a quarter.
	MaxFact schema.Bytes = 16 << 20
	// maxValue bounds one stored value: a third of what etcd takes in one
	// request. A larger fact is stored in parts.
	maxValue = 512 << 10
	// packFrom is the length from which a value is compressed; below it a frame
	// saves nothing worth its time.
	packFrom = 1 << 10
	// unpackMax bounds what a fact may unpack to.
	unpackMax = 64 << 20
)

// zstdMagic begins every frame and no JSON.
var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// The coders are stateless in use and safe for concurrent use; the options are
// constants, so making them cannot fail.
var (
	packer = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithWindowSize(256<<10), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic("ledger: zstd options: " + err.Error())
		}
		return e
	})
	unpacker = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(unpackMax))
		if err != nil {
			panic("ledger: zstd options: " + err.Error())
		}
		return d
	})
)

// pack is the stored form of a document: the same bytes for the same value.
func pack(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if n := schema.Bytes(len(b)); n > unpackMax {
		return nil, fmt.Errorf("%w: %s of %s", ErrTooLarge, n.Human(), schema.Bytes(unpackMax).Human())
	}
	return squeeze(b), nil
}

func squeeze(b []byte) []byte {
	if len(b) < packFrom {
		return b
	}
	return packer().EncodeAll(b, nil)
}

// unpack reads what pack wrote.
func unpack(key string, b []byte, v any) error {
	if bytes.HasPrefix(b, zstdMagic) {
		raw, err := unpacker().DecodeAll(b, nil)
		if err != nil {
			return fmt.Errorf("%w: %s: %v", ErrCorrupt, key, err)
		}
		b = raw
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %s: %v", ErrCorrupt, key, err)
	}
	return nil
}

// sized refuses a fact beyond all measure.
func sized(key string, value []byte) error {
	if n := schema.Bytes(len(value)); n > MaxFact {
		return fmt.Errorf("%w: %s takes %s of %s", ErrTooLarge, key, n.Human(), MaxFact.Human())
	}
	return nil
}

// textHash names a workload's full text: all of it, unlike [schema.Digest].
func textHash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}
