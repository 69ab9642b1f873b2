package pulse

import (
	"bytes"
	"testing"
)

// What parses is what put writes, byte for byte, and nothing else is taken for a message.
func FuzzParse(f *testing.F) {
	var b [messageSize]byte
	for k := start; k < kinds; k++ {
		m := message{kind: k, out: 1, code: late, errno: 5, seq: 7, id: 1 << 40, due: -3, at: 1 << 50, width: ms}
		m.put(&b)
		f.Add(bytes.Clone(b[:]))
	}
	f.Add([]byte{})
	f.Add(make([]byte, messageSize))
	f.Add(make([]byte, messageSize+1))
	f.Fuzz(func(t *testing.T, in []byte) {
		var m message
		if !m.parse(in) {
			return
		}
		var out [messageSize]byte
		m.put(&out)
		if !bytes.Equal(in, out[:]) {
			t.Errorf("% x became % x", in, out)
		}
		if m.kind.String() == "" {
			t.Error("a kind without a name")
		}
	})
}
