package main

import "fmt"

func amd64() string {
	e := newEmitter()
	e.convAMD64("convVNNI", vnni{})
	e.convAMD64("convAVX2", avx2{})
	e.peakAMD64("peakVNNI", vnni{})
	e.peakAMD64("peakAVX2", avx2{})
	e.lanesAMD64()
	return e.String()
}

// A shape is one variant of a tile.
type shape struct {
	pixels, vectors int
	signed          bool // activations may be negative
}

// code is the variant's number: see tile.variant in package kernel.
func (s shape) code() int {
	c := 4*s.pixels + 2*(s.vectors-1)
	if s.signed {
		c++
	}
	return c
}

func (s shape) String() string {
	return fmt.Sprintf("%dx%d%s", s.pixels, s.vectors, map[bool]string{false: "u", true: "s"}[s.signed])
}

// shapes returns all combinations.
func shapes(pixels, vectors []int, signed ...bool) (out []shape) {
	for _, p := range pixels {
		for _, v := range vectors {
			for _, s := range signed {
				out = append(out, shape{p, v, s})
			}
		}
	}
	return out
}

// A simd is what the tiles of one amd64 instruction set differ in. The sums of
// pixel r, vector v are in register r*vectors+v.
//
//	AX  *tile            BX  window of the tile's first pixel
//	SI  place in it      R12 the same of pixel 8
//	R8 R9 R10 R11        1, 3, 5, 7 times the distance between windows
//	R13 next run's start DX  runs left    CX  bytes of the run left
//	DI  weights; in finish the result
type simd interface {
	shapes() []shape
	vector() int                // bytes of a register
	prepare(e emitter, s shape) // once a call
	start(e emitter, s shape)   // sums = bias
	step(e emitter, s shape)    // four bytes of every window
	finish(e emitter, s shape)  // requantise, store at DI and advance it
	peak(e emitter)             // peakMACs multiply-accumulates in registers
}

const peakMACs = 10 * 64

// peakAMD64 emits func name(n int): n times nothing but the arithmetic of a tile.
func (e emitter) peakAMD64(name string, isa simd) {
	e.P("")
	e.P("// func %s(n int)", name)
	e.P("TEXT ·%s(SB), NOSPLIT, $0-8", name)
	e.P("MOVQ n+0(FP), CX")
	e.P("loop:")
	isa.peak(e)
	e.P("DECQ CX")
	e.P("JNZ loop")
	e.P("VZEROUPPER")
	e.P("RET")
}

func (e emitter) convAMD64(name string, isa simd) {
	e.Begin(name, "tile")
	e.P("MOVQ a+0(FP), AX")
	e.P("MOVQ tile_in(AX), BX")
	e.P("MOVQ tile_step(AX), R8")
	e.P("LEAQ (R8)(R8*2), R9")
	e.P("LEAQ (R8)(R8*4), R10")
	e.P("LEAQ (R9)(R8*4), R11")
	e.P("MOVQ tile_variant(AX), CX")
	for _, s := range isa.shapes() {
		e.P("CMPQ CX, $%d", s.code())
		e.P("JEQ tile%s", s)
	}
	e.P("UNDEF")
	for _, s := range isa.shapes() {
		e.P("")
		e.P("tile%s:", s)
		isa.prepare(e, s)
		e.P("next%s:", s)
		e.P("MOVQ tile_weights(AX), DI")
		isa.start(e, s)
		e.P("MOVQ tile_at(AX), R13")
		e.P("MOVQ tile_runs(AX), DX")
		e.P("run%s:", s)
		e.P("MOVQ (R13), SI")
		e.P("ADDQ BX, SI")
		e.P("ADDQ $8, R13")
		if s.pixels > 8 {
			e.P("LEAQ (SI)(R8*8), R12")
		}
		e.P("MOVQ tile_run(AX), CX")
		e.P("step%s:", s)
		isa.step(e, s)
		e.P("ADDQ $4, SI")
		if s.pixels > 8 {
			e.P("ADDQ $4, R12")
		}
		e.P("ADDQ $%d, DI", isa.vector()*s.vectors)
		e.P("SUBQ $4, CX")
		e.P("JNZ step%s", s)
		e.P("DECQ DX")
		e.P("JNZ run%s", s)
		e.P("MOVQ tile_out(AX), DI")
		e.P("MOVQ tile_outStep(AX), CX")
		e.P("MOVQ tile_scale(AX), SI")
		isa.finish(e, s)
		e.P("MOVQ DI, tile_out(AX)")
		e.P("ADDQ tile_advance(AX), BX")
		e.P("DECQ tile_count(AX)")
		e.P("JNZ next%s", s)
		e.P("VZEROUPPER")
		e.P("RET")
	}
}

// pixel returns the address of pixel r's activations.
func pixel(r int) string {
	return []string{
		"(SI)", "(SI)(R8*1)", "(SI)(R8*2)", "(SI)(R9*1)", "(SI)(R8*4)", "(SI)(R10*1)", "(SI)(R9*2)", "(SI)(R11*1)",
		"(R12)", "(R12)(R8*1)", "(R12)(R8*2)", "(R12)(R9*1)", "(R12)(R8*4)", "(R12)(R10*1)",
	}[r]
}

// vnni is AVX-512 VNNI: VPDPBUSD adds four products of unsigned activations and
// signed weights to each of 16 sums. Signed activations are made unsigned by
// flipping the sign bit, which adds 128; package kernel subtracts 128 times the
// sum of the weights from the bias.
//
// 14 x 2 sums, 2 weights, an activation and the sign bits fill all 32 registers.
type vnni struct{}

func (vnni) shapes() []shape { return shapes([]int{14, 8, 4, 2, 1}, []int{2, 1}, false, true) }

func (vnni) vector() int { return 64 }

func (vnni) prepare(e emitter, s shape) {
	for v := range s.vectors {
		e.P("KMOVW tile_mask+%d(AX), K%d", 2*v, v+1)
	}
	if s.signed {
		e.P("MOVL $0x80808080, CX")
		e.P("VPBROADCASTD CX, Z31")
	}
}

func (vnni) start(e emitter, s shape) {
	e.P("MOVQ tile_bias(AX), SI")
	for v := range s.vectors {
		e.P("VMOVDQU32 %d(SI), Z%d", 64*v, v)
	}
	for i := s.vectors; i < s.pixels*s.vectors; i++ {
		e.P("VMOVDQA32 Z%d, Z%d", i%s.vectors, i)
	}
}

func (vnni) step(e emitter, s shape) {
	for v := range s.vectors {
		e.P("VMOVDQU32 %d(DI), Z%d", 64*v, 28+v)
	}
	for r := range s.pixels {
		if s.signed {
			e.P("VPXORD.BCST %s, Z31, Z30", pixel(r))
		} else {
			e.P("VPBROADCASTD %s, Z30", pixel(r))
		}
		for v := range s.vectors {
			e.P("VPDPBUSD Z%d, Z30, Z%d", 28+v, r*s.vectors+v)
		}
	}
}

func (vnni) finish(e emitter, s shape) {
	e.P("VPBROADCASTD tile_low(AX), Z28")
	for v := range s.vectors {
		e.P("VMOVUPS %d(SI), Z29", 64*v)
		for r := range s.pixels {
			z := r*s.vectors + v
			e.P("VCVTDQ2PS Z%d, Z%d", z, z)
			e.P("VMULPS Z29, Z%d, Z%d", z, z)
			e.P("VCVTPS2DQ Z%d, Z%d", z, z)
			e.P("VPMAXSD Z28, Z%d, Z%d", z, z)
		}
	}
	for r := range s.pixels {
		for v := range s.vectors {
			e.P("VPMOVSDB Z%d, K%d, %d(DI)", r*s.vectors+v, v+1, 16*v)
		}
		e.P("ADDQ CX, DI")
	}
}

func (vnni) peak(e emitter) {
	for i := range peakMACs / 64 {
		e.P("VPDPBUSD Z30, Z31, Z%d", i)
	}
}

// avx2 multiplies magnitudes of activations with weights that took the
// activation's sign: VPMADDUBSW adds two products in 16 bits, at most
// 2*127*127 = 32258, so it never saturates; VPMADDWD by ones adds two of those.
type avx2 struct{}

func (avx2) shapes() []shape { return shapes([]int{4, 2, 1}, []int{2}, false, true) }

func (avx2) vector() int { return 32 }

func (avx2) prepare(e emitter, s shape) {
	e.P("VPCMPEQW Y15, Y15, Y15")
	e.P("VPSRLW $15, Y15, Y15")
}

func (avx2) start(e emitter, s shape) {
	e.P("MOVQ tile_bias(AX), SI")
	for v := range s.vectors {
		e.P("VMOVDQU %d(SI), Y%d", 32*v, v)
	}
	for i := s.vectors; i < s.pixels*s.vectors; i++ {
		e.P("VMOVDQA Y%d, Y%d", i%s.vectors, i)
	}
}

func (avx2) step(e emitter, s shape) {
	for v := range s.vectors {
		e.P("VMOVDQU %d(DI), Y%d", 32*v, 8+v)
	}
	for r := range s.pixels {
		e.P("VPBROADCASTD %s, Y10", pixel(r))
		if s.signed {
			e.P("VPABSB Y10, Y11")
		}
		for v := range s.vectors {
			if s.signed {
				e.P("VPSIGNB Y10, Y%d, Y%d", 8+v, 12+v)
				e.P("VPMADDUBSW Y%d, Y11, Y%d", 12+v, 12+v)
			} else {
				e.P("VPMADDUBSW Y%d, Y10, Y%d", 8+v, 12+v)
			}
			e.P("VPMADDWD Y15, Y%d, Y%d", 12+v, 12+v)
			e.P("VPADDD Y%d, Y%d, Y%d", 12+v, r*s.vectors+v, r*s.vectors+v)
		}
	}
}

func (avx2) finish(e emitter, s shape) {
	e.P("VPBROADCASTD tile_low(AX), Y12")
	e.P("VMOVUPS (SI), Y13")
	e.P("VMOVUPS 32(SI), Y14")
	for r := range s.pixels {
		a, b := 2*r, 2*r+1
		for v, y := range []int{a, b} {
			e.P("VCVTDQ2PS Y%d, Y%d", y, y)
			e.P("VMULPS Y%d, Y%d, Y%d", 13+v, y, y)
			e.P("VCVTPS2DQ Y%d, Y%d", y, y)
			e.P("VPMAXSD Y12, Y%d, Y%d", y, y)
		}
		e.P("VPACKSSDW Y%d, Y%d, Y%d", b, a, a) // 64-bit quarters a0 b0 a1 b1
		e.P("VPERMQ $0xd8, Y%d, Y%d", a, a)     // a0 a1 b0 b1
		e.P("VEXTRACTI128 $1, Y%d, X%d", a, b)
		e.P("VPACKSSWB X%d, X%d, X%d", b, a, a)
		e.P("VMOVDQU X%d, (DI)", a)
		e.P("ADDQ CX, DI")
	}
}

func (avx2) peak(e emitter) {
	for i := range peakMACs / 32 {
		t := 10 + i%4
		e.P("VPMADDUBSW Y14, Y15, Y%d", t)
		e.P("VPMADDWD Y15, Y%d, Y%d", t, t)
		e.P("VPADDD Y%d, Y%d, Y%d", t, i%10, i%10)
	}
}
