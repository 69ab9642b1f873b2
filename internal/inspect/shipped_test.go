package inspect

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"cull/capture"
	"cull/infer"
	"cull/infer/prep"
	"cull/internal/imagefile"
	"cull/internal/impl/impltest"
	"cull/internal/product"
	"cull/padim"
	"cull/synth"
	"cull/weights"
)

// shippedSide is small, so that emulated CPUs are through in time.
const shippedSide = 96

// frames is a Source of some frames.
type frames []*capture.Frame

func (f *frames) Next(context.Context) (*capture.Frame, error) {
	if len(*f) == 0 {
		return nil, io.EOF
	}
	first := (*f)[0]
	*f = (*f)[1:]
	return first, nil
}

func (f *frames) Close() error { return nil }

func shipped(t *testing.T) *infer.Model {
	t.Helper()
	m, err := infer.Parse(weights.Cull())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// drawn returns parts of the demonstration line.
func drawn(t *testing.T, n int, seed uint64, defects float64) (out frames) {
	t.Helper()
	g, err := synth.New(synth.Line(synth.Cap, 160, 120, defects), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		var s synth.Sample
		if err := g.Render(&s, seed+uint64(i)); err != nil {
			t.Fatal(err)
		}
		out = append(out, &capture.Frame{
			Pix: s.Image.Pix, Format: capture.RGB24, Width: s.Image.W, Height: s.Image.H, Stride: 3 * s.Image.W,
		})
	}
	return out
}

// photographs returns the first n pictures of a folder of ../shared/data.
func photographs(t *testing.T, folder string, n int) (out frames) {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "data", folder)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("%s is not here", dir)
	}
	paths, err := imagefile.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths[:n] {
		f, err := imagefile.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f)
	}
	return out
}

// What the shipped network and the scorer make of pictures: the digest of the taught
// product's model and threshold, and of features, score map, score and verdict of
// good and bad parts. It changes with the weights, the number formats and the recipe
// of the fit, and with nothing else: not with the CPU, its kernels or the threads.
const (
	goldenDrawn       = "effb9f5c388e54f0f22db3c59018ba4e61047e1077885bf03e4c3cee825524b0"
	goldenKolektorSDD = "6f4fd52339f4df2e79f3f38274a03012c48bf6be849368f4132c9444c6564255"
	goldenCrackForest = "c0e16a12a471cc4217c09977b1c6a48a0a070fac637d3d000b32a83c3877c9b1"
)

func TestShippedNetworkJudgesAlikeEverywhere(t *testing.T) {
	for _, c := range []struct {
		name, want   string
		teach, judge func(t *testing.T) frames
	}{
		{
			"drawn", goldenDrawn, func(t *testing.T) frames { return drawn(t, 8, 1, 0) },
			func(t *testing.T) frames { return append(drawn(t, 1, 100, 0), drawn(t, 1, 200, 1)...) },
		},
		{
			"kolektorsdd", goldenKolektorSDD,
			func(t *testing.T) frames { return photographs(t, "kolektorsdd/train/good", 8) },
			func(t *testing.T) frames {
				return append(photographs(t, "kolektorsdd/test/good", 1), photographs(t, "kolektorsdd/test/defect", 1)...)
			},
		},
		{
			"crackforest", goldenCrackForest,
			func(t *testing.T) frames { return photographs(t, "crackforest/train/good", 8) },
			func(t *testing.T) frames {
				return append(photographs(t, "crackforest/test/good", 1), photographs(t, "crackforest/test/crack", 1)...)
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := teachShipped(t, c.teach(t))
			pics := pictures(t, p.Plan, c.judge(t))
			sum := sha256.New()
			model, err := p.Model.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			sum.Write(model)
			binary.Write(sum, binary.LittleEndian, p.Report.Threshold.Value)
			features := digestFeatures(t, pics, 1)
			sum.Write(features)
			sum.Write(digestScores(t, p, pics, 1))
			if got := hex.EncodeToString(sum.Sum(nil)); got != c.want {
				t.Errorf("digest %s, want %s (network %x: new weights have new digests)", got, c.want, p.Net[:6])
			}
			scores := digestScores(t, p, pics, 1)
			impltest.Each(t, "infer/kernel", func(t *testing.T) {
				if got := digestFeatures(t, pics, 2); string(got) != string(features) {
					t.Error("other features")
				}
			})
			impltest.Each(t, "padim/kernel", func(t *testing.T) {
				if got := digestScores(t, p, pics, 3); string(got) != string(scores) {
					t.Error("other scores")
				}
			})
		})
	}
}

func teachShipped(t *testing.T, src frames) *product.Product {
	t.Helper()
	p, err := Teach(context.Background(), &src, shipped(t), Options{
		Plan: prep.Plan{Width: shippedSide, Height: shippedSide}, SpoolDir: t.TempDir(),
		Fit: padim.Options{Mode: padim.Part, Dim: 64, Shrinkage: 0.5, TargetFRR: 0.2, Threads: 2},
	}, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pictures returns the frames as the network sees them.
func pictures(t *testing.T, plan prep.Plan, src frames) (pics [][]int8) {
	t.Helper()
	p, err := prep.New(plan)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range src {
		pic := make([]int8, plan.Width*plan.Height*3)
		if err := p.Apply(pic, f); err != nil {
			t.Fatal(err)
		}
		pics = append(pics, pic)
	}
	return pics
}

func digestFeatures(t *testing.T, pics [][]int8, threads int) []byte {
	t.Helper()
	e, err := NewNetwork(shipped(t), shippedSide, shippedSide, threads)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	sum := sha256.New()
	for _, pic := range pics {
		for _, m := range e.Maps(pic) {
			binary.Write(sum, binary.LittleEndian, m.Data)
		}
	}
	return sum.Sum(nil)
}

func digestScores(t *testing.T, p *product.Product, pics [][]int8, threads int) []byte {
	t.Helper()
	e, err := NewNetwork(shipped(t), shippedSide, shippedSide, threads)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	in, err := New(p.Plan, e, taught(p), threads)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.New()
	for _, pic := range pics {
		copy(in.pic, pic)
		r := in.Judge()
		binary.Write(sum, binary.LittleEndian, r.Map.Data)
		binary.Write(sum, binary.LittleEndian, []uint32{math.Float32bits(r.Score), uint32(r.Verdict)})
	}
	return sum.Sum(nil)
}

// A weight that changed in memory, or an instruction that computes wrong, shows when
// a line opens its product: the goldens run through the line's own packed weights.
func TestSpoiltPackedWeightStopsTheStart(t *testing.T) {
	p := teachShipped(t, drawn(t, 8, 1, 0))
	impltest.Each(t, "infer/kernel", func(t *testing.T) {
		e, err := NewNetwork(shipped(t), shippedSide, shippedSide, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if _, err := open(p, e, 1); err != nil {
			t.Fatal(err)
		}
		packed := packedWeights(t, e.Taps.runner)
		for _, k := range []int{len(packed) / 3, len(packed) / 2, len(packed) - 1} {
			w := packed[k]
			at := len(w) / 2 / 16 * 16
			for i := range 16 {
				w[at+i] ^= 1 << 6
			}
			if _, err := open(p, e, 1); !errors.Is(err, ErrGolden) {
				t.Errorf("convolution %d of %d spoilt: %v", k, len(packed), err)
			}
			for i := range 16 {
				w[at+i] ^= 1 << 6
			}
		}
		if _, err := open(p, e, 1); err != nil {
			t.Errorf("repaired: %v", err)
		}
	})
}

// packedWeights returns the memory of the packed weights of every convolution of r.
func packedWeights(t *testing.T, r *infer.Runner) (all [][]byte) {
	t.Helper()
	steps := reflect.ValueOf(r).Elem().FieldByName("steps")
	for i := range steps.Len() {
		op := steps.Index(i).FieldByName("op").Elem().Elem()
		if w := op.FieldByName("weights"); w.IsValid() && w.Len() > 0 {
			size := w.Len() * int(w.Type().Elem().Size())
			all = append(all, unsafe.Slice((*byte)(w.UnsafePointer()), size))
		}
	}
	if len(all) < 10 {
		t.Fatalf("found the weights of %d convolutions", len(all))
	}
	return all
}
