package onnx

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"cull/infer"
	"cull/weights"
)

// subjects are the networks that are compared with ONNX Runtime.
func subjects(t *testing.T) map[string]*infer.Model {
	t.Helper()
	shipped, err := infer.Parse(weights.Cull())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*infer.Model{"shipped": shipped}
	for seed, name := range []string{"everything", "everything again"} {
		all[name] = everything(rand.New(rand.NewPCG(uint64(seed), 1)))
	}
	return all
}

const testH, testW = 48, 80

func TestRuntimeGivesTheDevicesBits(t *testing.T) {
	for name, m := range subjects(t) {
		t.Run(name, func(t *testing.T) {
			o, err := Export(m, Int8)
			if err != nil {
				t.Fatal(err)
			}
			in := make([]int8, testH*testW*3)
			infer.TestPicture(in, 1)
			pixels := make([]byte, len(in))
			for i, v := range in {
				pixels[i] = byte(int(v) + 128)
			}
			pixels[0], in[0] = 0, -127
			got := runtime(t, o, testH, testW, planar(pixels, 3))
			r, err := m.NewRunner(testH, testW, infer.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			for k, f := range r.Run(in) {
				most := 0
				for i, want := range planar(f.Data, f.C) {
					d := int(got[i]) - 128 - int(want)
					most = max(most, d, -d)
				}
				if most > 0 {
					t.Errorf("tap %s: differs by up to %d", m.Graph.Taps[k].Name, most)
				}
				got = got[len(f.Data):]
			}
			if len(got) > 0 {
				t.Errorf("%d values too many", len(got))
			}
		})
	}
}

func TestRuntimeGivesTheUnroundedNetwork(t *testing.T) {
	for name, m := range subjects(t) {
		t.Run(name, func(t *testing.T) {
			o, err := Export(m, Float)
			if err != nil {
				t.Fatal(err)
			}
			in := make([]int8, testH*testW*3)
			infer.TestPicture(in, 1)
			real := make([]float32, len(in))
			for i, v := range in {
				real[i] = float32(v) / 127.5
			}
			got := runtime(t, o, testH, testW, floatBytes(planar(real, 3)))
			want := unrounded(t, m, testH, testW, in)
			for k, tap := range m.Graph.Taps {
				f := want[tap.Node]
				var top, most float64
				for i, v := range planar(f.v, f.c) {
					v *= float64(m.TapStep[k][i/(f.h*f.w)])
					g := float64(math.Float32frombits(binary.LittleEndian.Uint32(got[4*i:])))
					top, most = max(top, math.Abs(v)), max(most, math.Abs(g-v))
				}
				if !(most <= 1e-4*top) {
					t.Errorf("tap %s: differs by up to %g of %g", tap.Name, most, top)
				}
				t.Logf("tap %s: differs by up to %.2g of %.3g", tap.Name, most, top)
				got = got[4*len(f.v):]
			}
		})
	}
}
