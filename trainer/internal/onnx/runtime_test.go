package onnx

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
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

// The float network that is calibrated is the one in the file.
func TestRuntimeAgreesWithImport(t *testing.T) {
	const side = 256
	b, err := os.ReadFile("../../../../shared/weights/mobilenetv2_imagenet_trunk.onnx")
	if err != nil {
		t.Skip(err)
	}
	m, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	n, err := Import(m)
	if err != nil {
		t.Fatal(err)
	}
	in := make([]int8, side*side*3)
	infer.TestPicture(in, 3)
	real := make([]float32, len(in))
	for i, v := range in {
		real[i] = float32(v) / 127.5
	}
	got := runtime(t, m, side, side, floatBytes(planar(real, 3)))
	for k, f := range run(n, side, side, in) {
		dense := make([]float32, 0, f.H*f.W*f.C)
		for y := range f.H {
			dense = append(dense, f.Row(0, y)...)
		}
		var top, most float64
		for i, v := range planar(dense, f.C) {
			g := math.Float32frombits(binary.LittleEndian.Uint32(got[4*i:]))
			top, most = max(top, math.Abs(float64(v))), max(most, math.Abs(float64(g-v)))
		}
		if !(most <= 1e-4*top) {
			t.Errorf("tap %d: differs by up to %g of %g", k, most, top)
		}
		t.Logf("tap %d: differs by up to %.2g of %.3g", k, most, top)
		got = got[4*len(dense):]
	}
}
