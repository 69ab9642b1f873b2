package grad

import (
	"fmt"
	"testing"
)

func winogradFilter(in, out int) Filter {
	f := NewFilter(in, out, 3, 1, 1)
	f.Winograd = true
	He(f.W, 9*in, rng(4))
	return f
}

func TestWinogradEqualsTheDefinition(t *testing.T) {
	for _, be := range Implementations(2) {
		for _, s := range []struct{ in, out, h, w int }{
			{32, 32, 6, 6}, {16, 24, 4, 10}, {24, 56, 2, 2}, {5, 7, 4, 6}, {13, 19, 6, 2}, {64, 128, 4, 4}, {64, 64, 4, 4}, {16, 16, 24, 24},
		} {
			t.Run(fmt.Sprintf("%s/%v", be.Name(), s), func(t *testing.T) {
				r, f := rng(7), winogradFilter(s.in, s.out)
				x, dy := random(r, 3, s.h, s.w, s.in), random(r, 3, s.h, s.w, s.out)
				wantY, wantX, wantW := naive(x, dy, &f)
				y, dx, dw := NewTensor(3, s.h, s.w, s.out), NewTensor(3, s.h, s.w, s.in), make([]float32, len(f.W))
				be.Conv(y, x, &f)
				be.ConvInput(dx, dy, &f)
				be.ConvWeight(dw, x, dy, &f)
				for name, e := range map[string]float64{
					"y": worst(y.Data, wantY), "dx": worst(dx.Data, wantX), "dw": worst(dw, wantW) / float64(s.h*s.w),
				} {
					if !(e < 1e-5) {
						t.Errorf("%s: worst difference %g", name, e)
					}
				}
			})
		}
	}
}

func TestWinogradIsForEvenSizesAndStrideOne(t *testing.T) {
	f := winogradFilter(8, 8)
	plain := f
	plain.Winograd = false
	if !f.byWinograd(6, 4) || f.byWinograd(5, 4) || f.byWinograd(6, 3) || plain.byWinograd(6, 4) {
		t.Error("wrong choice of method")
	}
	strided := NewFilter(8, 8, 3, 2, 1)
	strided.Winograd = true
	if strided.byWinograd(6, 4) {
		t.Error("a strided convolution by Winograd")
	}
}

// Threads change nothing, and all vector widths and the order of the chunks give the same bits.
func TestWinogradGivesTheSameBits(t *testing.T) {
	r, f := rng(3), winogradFilter(24, 56)
	x, dy := random(r, 21, 8, 10, 24), random(r, 21, 8, 10, 56)
	run := func(be *CPU) (y, dx *Tensor, dw []float32) {
		y, dx, dw = NewTensor(21, 8, 10, 56), NewTensor(21, 8, 10, 24), make([]float32, len(f.W))
		be.Conv(y, x, &f)
		be.ConvInput(dx, dy, &f)
		be.ConvWeight(dw, x, dy, &f)
		return y, dx, dw
	}
	y, dx, dw := run(NewCPU(1))
	others := []*CPU{NewCPU(5)}
	if all := Implementations(2); len(all) > 2 {
		others = append(others, all[1])
	}
	for _, be := range others {
		y2, dx2, dw2 := run(be)
		same(t, "y", y.Data, y2.Data)
		same(t, "dx", dx.Data, dx2.Data)
		same(t, "dw", dw, dw2)
	}
}

// Transforms are sums of two or three: the kernels give the generic loop's bits.
func TestTransformsEqualGeneric(t *testing.T) {
	for _, be := range Implementations(1) {
		for _, c := range []int{1, 8, 24, 29, 32} {
			r := rng(uint64(c))
			x := random(r, 2, 6, 8, c)
			for op := range tileOps {
				ref := &CPU{k: &generic}
				var pics [2]*Tensor
				var data [2][]float32
				for i, b := range []*CPU{be, ref} {
					pics[i], data[i] = clone(x), make([]float32, planes*plane(16*c))
					for j := range data[i] {
						data[i][j] = float32(j%13) * 0.37
					}
					b.transform(op, data[i], pics[i], 2, 6)
				}
				same(t, fmt.Sprintf("%s op %d c %d picture", be.Name(), op, c), pics[0].Data, pics[1].Data)
				same(t, fmt.Sprintf("%s op %d c %d planes", be.Name(), op, c), data[0], data[1])
			}
		}
	}
}
