package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// raw is a file with that header.
func raw(header string, data ...byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

// The example of the format's description, by hand: length, JSON, bytes.
func TestGolden(t *testing.T) {
	f := File{Meta: map[string]string{"k": "v"}, Tensors: []Tensor{
		Floats("a", []float32{1, -2}, 2, 1), {Name: "b", Type: "I8", Shape: []int{3}, Data: []byte{1, 2, 255}},
	}}
	header := `{"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},` +
		`"b":{"dtype":"I8","shape":[3],"data_offsets":[8,11]}}`
	header += strings.Repeat(" ", 7-(len(header)+7)%8)
	want := raw(header, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 1, 2, 255)
	got, err := f.Encode()
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%v\n%q, want\n%q", err, got, want)
	}
	back, err := Parse(got)
	if err != nil || !reflect.DeepEqual(back, &f) {
		t.Errorf("%v: read back %+v", err, back)
	}
}

func TestParseOrdersAndRefuses(t *testing.T) {
	f, err := Parse(raw(`{"z":{"dtype":"U8","shape":[],"data_offsets":[1,2]},"y":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 5, 6))
	if err != nil || f.Tensors[0].Name != "y" || f.Tensors[1].Data[0] != 6 {
		t.Errorf("%v: %+v", err, f)
	}
	a := `"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}`
	for _, c := range []struct {
		b    []byte
		want string
	}{
		{nil, "0 bytes"},
		{binary.LittleEndian.AppendUint64(nil, 1<<63), "header of"},
		{raw(`{}`)[:9], "header of"},
		{raw(`[]`), "object"},
		{raw(`{`+a+`} 1`, 1, 2), "more than one"},
		{raw(`{`+a, 1, 2), "header"},
		{raw(`{`+a+`,`+a+`}`, 1, 2), "repeated"},
		{raw(`{`+a+`}`, 1), "bytes 0 to 2"},
		{raw(`{`+a+`}`, 1, 2, 3), "1 bytes behind"},
		{raw(`{`+a+`,"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 1, 2), "begin at 2"},
		{raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 1, 2), "begin at 0"},
		{raw(`{"a":{"dtype":"F8","shape":[2],"data_offsets":[0,2]}}`, 1, 2), `"F8"`},
		{raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,2]}}`, 1, 2), "in 2 bytes"},
		{raw(`{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,2]}}`, 1, 2), "in 2 bytes"},
		{raw(`{"a":{"dtype":"U8","shape":[-2],"data_offsets":[0,2]}}`, 1, 2), "in 2 bytes"},
		{raw(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[2,0]}}`, 1, 2), "data_offsets"},
		{raw(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2],"x":1}}`, 1, 2), "unknown field"},
		{raw(`{"__metadata__":{"a":1}}`), "__metadata__"},
	} {
		if _, err := Parse(c.b); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want one with %q", c.b, err, c.want)
		}
	}
}

// A reader of its own, after the format's description, in another language.
func TestPythonReadsIt(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	b, err := (&File{Tensors: []Tensor{Floats("a", []float32{1.5, -2}, 1, 2), Floats("b", []float32{3})}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "-c", `
import json, struct, sys
b = open(sys.argv[1], "rb").read()
n, = struct.unpack("<Q", b[:8])
assert n % 8 == 0
for k, v in json.loads(b[8:8+n]).items():
    lo, hi = v["data_offsets"]
    print(k, v["dtype"], v["shape"], struct.unpack("<%df" % ((hi - lo) // 4), b[8+n+lo:8+n+hi]))
`, path).CombinedOutput()
	if want := "a F32 [1, 2] (1.5, -2.0)\nb F32 [] (3.0,)\n"; err != nil || string(out) != want {
		t.Errorf("%v\n%s, want\n%s", err, out, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(raw(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"__metadata__":{"k":"v"}}`, 1, 2))
	f.Add(raw(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := Parse(b)
		if err != nil {
			return
		}
		again, err := x.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(again); err != nil {
			t.Fatal(err)
		}
	})
}
