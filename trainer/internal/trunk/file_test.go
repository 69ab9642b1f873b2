package trunk

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"cull/trainer/internal/safetensors"
)

func TestSafeTensorsThereAndBack(t *testing.T) {
	a := New(Shape{Width: 8, Blocks: [Stages]int{1, 2, 1}, Smooth: true}, rand.New(rand.NewPCG(1, 2)))
	for _, s := range a.Statistics() {
		for i := range s {
			s[i] = 0.5 + float32(i)
		}
	}
	f := a.SafeTensors()
	if w, l := f.Tensors[0], a.Stem[0]; w.Name != "stem1.conv.weight" {
		t.Errorf("first tensor %q", w.Name)
	} else if v, err := w.Floats(); err != nil || v[1] != l.Filter.W[3*8] || v[9] != l.Filter.W[8] {
		t.Errorf("weights are not [out][in][k][k] (%v)", err)
	}
	b, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if f, err = safetensors.Parse(b); err != nil {
		t.Fatal(err)
	}
	back, err := FromSafeTensors(f)
	if err != nil {
		t.Fatal(err)
	}
	again, err := back.SafeTensors().Encode()
	if err != nil || !bytes.Equal(b, again) {
		t.Errorf("read back and written, other bytes (%v)", err)
	}
}

func TestForeignTensorsAreRefused(t *testing.T) {
	for _, c := range []struct {
		want   string
		change func(f *safetensors.File)
	}{
		{"network", func(f *safetensors.File) { f.Meta["network"] = "other" }},
		{"width", func(f *safetensors.File) { f.Meta["width"] = "1000000" }},
		{"blocks2", func(f *safetensors.File) { delete(f.Meta, "blocks2") }},
		{"smooth", func(f *safetensors.File) { f.Meta["smooth"] = "" }},
		{`no tensor "stem1.conv.weight"`, func(f *safetensors.File) { f.Tensors = f.Tensors[1:] }},
		{`"extra" is not of this network`, func(f *safetensors.File) {
			f.Tensors = append(f.Tensors, safetensors.Floats("extra", nil, 0))
		}},
		{"20568 numbers, but width 256", func(f *safetensors.File) { // before gigabytes are taken for them
			f.Meta["width"], f.Meta["blocks1"], f.Meta["blocks2"], f.Meta["blocks3"] = "256", "16", "16", "16"
		}},
		{"shape [8 3 9]", func(f *safetensors.File) { f.Tensors[0].Shape = []int{8, 3, 9} }},
		{"type I32", func(f *safetensors.File) { f.Tensors[0].Type = "I32" }},
		{"finite", func(f *safetensors.File) { copy(f.Tensors[0].Data, []byte{0, 0, 0x80, 0x7f}) }},
		{"variance -", func(f *safetensors.File) { copy(f.Tensors[4].Data, []byte{0, 0, 0x80, 0xbf}) }},
	} {
		f := New(Shape{Width: 8, Blocks: [Stages]int{1, 1, 1}}, rand.New(rand.NewPCG(1, 2))).SafeTensors()
		c.change(f)
		if _, err := FromSafeTensors(f); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
}

func TestWeightsAreCounted(t *testing.T) {
	for _, s := range []Shape{
		{Width: 8, Blocks: [Stages]int{1, 1, 1}}, {Width: 16, Blocks: [Stages]int{2, 1, 3}, Smooth: true}, {Width: 8, Blocks: [Stages]int{3, 2, 1}},
	} {
		n := 0
		for _, l := range New(s, rand.New(rand.NewPCG(1, 2))).Layers() {
			n += len(l.Filter.W)
		}
		if s.Weights() != n {
			t.Errorf("%+v: %d weights, want %d", s, s.Weights(), n)
		}
	}
}
