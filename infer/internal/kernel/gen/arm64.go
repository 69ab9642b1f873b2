package main

import "cull/internal/asmgen"

func arm64() string {
	e := newEmitter()
	e.convARM64("convNEON", mlal{})
	e.convARM64("convDot", sdot{})
	e.convARM64("convMatrix", smmla{})
	e.lanesARM64()
	return e.String()
}

// Instructions that Go's assembler does not know, by their encoding in the
// Arm Architecture Reference Manual, each with its mnemonic.

func (e emitter) sdotElement(d, n, m, i int) {
	code := asmgen.Three(0x4f80e000, d, n, m) | uint32(i&1)<<21 | uint32(i>>1)<<11
	e.Word(code, "sdot v%d.4s, v%d.16b, v%d.4b[%d]", d, n, m, i)
}

func (e emitter) smmla(d, n, m int) {
	e.Word(asmgen.Three(0x4e80a400, d, n, m), "smmla v%d.4s, v%d.16b, v%d.16b", d, n, m)
}

func (e emitter) smull(d, n, m int) {
	e.Word(asmgen.Three(0x0e20c000, d, n, m), "smull v%d.8h, v%d.8b, v%d.8b", d, n, m)
}

func (e emitter) smlal2(d, n, m int) {
	e.Word(asmgen.Three(0x4e208000, d, n, m), "smlal2 v%d.8h, v%d.16b, v%d.16b", d, n, m)
}

func (e emitter) sadalp(d, n int) {
	e.Word(asmgen.Three(0x4e606800, d, n, 0), "sadalp v%d.4s, v%d.8h", d, n)
}

func (e emitter) addp(d, n, m int) {
	e.Word(asmgen.Three(0x4ea0bc00, d, n, m), "addp v%d.4s, v%d.4s, v%d.4s", d, n, m)
}

func (e emitter) fcvtns(d, n int) {
	e.Word(asmgen.Three(0x4e21a800, d, n, 0), "fcvtns v%d.4s, v%d.4s", d, n)
}

func (e emitter) sqxtn4h(d, n int) {
	e.Word(asmgen.Three(0x0e614800, d, n, 0), "sqxtn v%d.4h, v%d.4s", d, n)
}

func (e emitter) sqxtn8h(d, n int) {
	e.Word(asmgen.Three(0x4e614800, d, n, 0), "sqxtn2 v%d.8h, v%d.4s", d, n)
}

func (e emitter) sqxtn8b(d, n int) {
	e.Word(asmgen.Three(0x0e214800, d, n, 0), "sqxtn v%d.8b, v%d.8h", d, n)
}

func (e emitter) smax8b(d, n, m int) {
	e.Word(asmgen.Three(0x0e206400, d, n, m), "smax v%d.8b, v%d.8b, v%d.8b", d, n, m)
}

func (e emitter) smull2(d, n, m int) {
	e.Word(asmgen.Three(0x4e20c000, d, n, m), "smull2 v%d.8h, v%d.16b, v%d.16b", d, n, m)
}

func (e emitter) smlal(d, n, m int) {
	e.Word(asmgen.Three(0x0e208000, d, n, m), "smlal v%d.8h, v%d.8b, v%d.8b", d, n, m)
}

func (e emitter) saddw(d, n, m int) {
	e.Word(asmgen.Three(0x0e601000, d, n, m), "saddw v%d.4s, v%d.4s, v%d.4h", d, n, m)
}

func (e emitter) saddw2(d, n, m int) {
	e.Word(asmgen.Three(0x4e601000, d, n, m), "saddw2 v%d.4s, v%d.4s, v%d.8h", d, n, m)
}

func (e emitter) smax16b(d, n, m int) {
	e.Word(asmgen.Three(0x4e206400, d, n, m), "smax v%d.16b, v%d.16b, v%d.16b", d, n, m)
}

func (e emitter) sqxtn16b(d, n int) {
	e.Word(asmgen.Three(0x4e214800, d, n, 0), "sqxtn2 v%d.16b, v%d.8h", d, n)
}

func (e emitter) sxtl8h(d, n int) {
	e.Word(asmgen.Three(0x0f08a400, d, n, 0), "sxtl v%d.8h, v%d.8b", d, n)
}

func (e emitter) sxtl28h(d, n int) {
	e.Word(asmgen.Three(0x4f08a400, d, n, 0), "sxtl2 v%d.8h, v%d.16b", d, n)
}

func (e emitter) sxtl4s(d, n int) {
	e.Word(asmgen.Three(0x0f10a400, d, n, 0), "sxtl v%d.4s, v%d.4h", d, n)
}

func (e emitter) sxtl24s(d, n int) {
	e.Word(asmgen.Three(0x4f10a400, d, n, 0), "sxtl2 v%d.4s, v%d.8h", d, n)
}

// A neon is what the tiles of one arm64 instruction set differ in. Activations
// are signed for both. The sums are in V16 to V31.
//
//	R0  *tile     R1  window of the tile's first pixel   R2  weights
//	R3  distance between windows     R4  runs left       R5  next run's start
//	R6  bytes of a run               R7  bytes left      R8 to R15  place in each window
//	R19 tiles left   R21 result   R22 distance between results   R24 distance between tiles
type neon interface {
	pixels() []int                // of its tiles, widest first
	start(e emitter, pixels int)  // sums = bias, or zero
	run(e emitter, pixels int)    // R7 bytes of every window
	finish(e emitter, pixels int) // requantise, store at R21 and advance it
	peak(e emitter)               // peakMACs multiply-accumulates in registers
}

func (e emitter) convARM64(name string, isa neon) {
	e.Begin(name, "tile")
	e.P("MOVD a+0(FP), R0")
	e.P("MOVD tile_in(R0), R1")
	e.P("MOVD tile_step(R0), R3")
	e.P("MOVD tile_run(R0), R6")
	e.P("MOVD tile_count(R0), R19")
	e.P("MOVD tile_out(R0), R21")
	e.P("MOVD tile_outStep(R0), R22")
	e.P("MOVD tile_advance(R0), R24")
	e.P("MOVD tile_variant(R0), R20")
	e.P("BIC $3, R20")
	for _, n := range isa.pixels() {
		e.P("CMP $%d, R20", 4*n)
		e.P("BEQ next%d", n)
	}
	e.P("UNDEF")
	for _, n := range isa.pixels() {
		e.P("")
		e.P("next%d:", n)
		e.P("MOVD tile_weights(R0), R2")
		e.P("MOVD tile_at(R0), R5")
		e.P("MOVD tile_runs(R0), R4")
		isa.start(e, n)
		e.P("run%d:", n)
		e.P("MOVD.P 8(R5), R20")
		e.P("ADD R20, R1, R8")
		for r := 1; r < n; r++ {
			e.P("ADD R3, R%d, R%d", 7+r, 8+r)
		}
		e.P("MOVD R6, R7")
		isa.run(e, n)
		e.P("SUBS $1, R4")
		e.P("BNE run%d", n)
		isa.finish(e, n)
		e.P("ADD R24, R1")
		e.P("SUBS $1, R19")
		e.P("BNE next%d", n)
		e.P("RET")
	}
	e.peakARM64("peak"+name[len("conv"):], isa)
}

// peakARM64 emits func name(n int): n times nothing but the arithmetic of a tile.
func (e emitter) peakARM64(name string, isa neon) {
	e.P("")
	e.P("// func %s(n int)", name)
	e.P("TEXT ·%s(SB), NOSPLIT, $0-8", name)
	e.P("MOVD n+0(FP), R0")
	e.P("loop:")
	isa.peak(e)
	e.P("SUBS $1, R0")
	e.P("BNE loop")
	e.P("RET")
}

// requantise turns the four sums in each of v, biases added, into int32 results.
func (e emitter) requantise(v, scale int) {
	e.Scvtf4s(v, v)
	e.Fmul4s(v, v, scale)
	e.fcvtns(v, v)
}

// sdot is FEAT_DotProd: SDOT adds four products to each of 4 sums. Blocks of 8
// channels; pixel r has its sums in V16+2r and V17+2r.
type sdot struct{}

func (sdot) pixels() []int { return []int{8, 4, 2, 1} }

func (sdot) start(e emitter, pixels int) {
	e.P("MOVD tile_bias(R0), R20")
	e.P("VLD1 (R20), [V16.S4, V17.S4]")
	for i := 2; i < 2*pixels; i++ {
		e.P("VMOV V%d.B16, V%d.B16", 16+i%2, 16+i)
	}
}

func (sdot) run(e emitter, pixels int) {
	e.P("SUBS $16, R7")
	e.P("BLT tail%d", pixels)
	e.P("step%d:", pixels)
	for r := range pixels {
		e.P("FMOVQ.P 16(R%d), F%d", 8+r, r)
	}
	for k := range 4 {
		a, b := 8+2*(k&1), 9+2*(k&1)
		e.P("FMOVQ %d(R2), F%d", 32*k, a)
		e.P("FMOVQ %d(R2), F%d", 32*k+16, b)
		for r := range pixels {
			e.sdotElement(16+2*r, a, r, k)
			e.sdotElement(17+2*r, b, r, k)
		}
	}
	e.P("ADD $128, R2")
	e.P("SUBS $16, R7")
	e.P("BGE step%d", pixels)
	e.P("tail%d:", pixels)
	e.P("ADDS $16, R7")
	e.P("BEQ done%d", pixels)
	e.P("four%d:", pixels)
	e.P("VLD1.P 32(R2), [V8.B16, V9.B16]")
	for r := range pixels {
		e.P("FMOVS.P 4(R%d), F%d", 8+r, r)
	}
	for r := range pixels {
		e.sdotElement(16+2*r, 8, r, 0)
		e.sdotElement(17+2*r, 9, r, 0)
	}
	e.P("SUBS $4, R7")
	e.P("BNE four%d", pixels)
	e.P("done%d:", pixels)
}

func (sdot) finish(e emitter, pixels int) {
	e.eightConstants()
	for r := range pixels {
		e.eightChannels(16+2*r, 17+2*r)
	}
}

// eightConstants loads the scales of a block of 8 channels to V12 and V13, the lower clamp to V14.
func (e emitter) eightConstants() {
	e.P("MOVD tile_scale(R0), R20")
	e.P("VLD1 (R20), [V12.S4, V13.S4]")
	e.P("MOVW tile_low(R0), R20")
	e.P("VDUP R20, V14.B8")
}

// eightChannels requantises the sums of a pixel in a and b and stores them.
func (e emitter) eightChannels(a, b int) {
	e.requantise(a, 12)
	e.requantise(b, 13)
	e.sqxtn4h(a, a)
	e.sqxtn8h(a, b)
	e.sqxtn8b(a, a)
	e.smax8b(a, a, 14)
	e.P("FMOVD F%d, (R21)", a)
	e.P("ADD R22, R21")
}

func (sdot) peak(e emitter) {
	for i := range peakMACs / 16 {
		e.sdotElement(16+i%16, 0, 1, 0)
	}
}

// smmla is FEAT_I8MM: SMMLA multiplies 8 bytes of two pixels with those of two
// channels, four sums in a register. Blocks of 8 channels; pixels 2i and 2i+1
// have their sums with channels 2j and 2j+1 in V16+4i+j. A single pixel is its
// own neighbour.
type smmla struct{}

func (smmla) pixels() []int { return []int{8, 4, 2, 1} }

func pairs(pixels int) int { return (pixels + 1) / 2 }

func (smmla) start(e emitter, pixels int) {
	e.P("MOVD tile_bias(R0), R20")
	for j := range 4 {
		e.P("VLD1R.P 8(R20), [V%d.D2]", 16+j)
	}
	for i := 4; i < 4*pairs(pixels); i++ {
		e.P("VMOV V%d.B16, V%d.B16", 16+i%4, 16+i)
	}
}

func (smmla) run(e emitter, pixels int) {
	other := func(i int) int { return min(2*i+1, pixels-1) }
	e.P("SUBS $16, R7")
	e.P("BLT tail%d", pixels)
	e.P("step%d:", pixels)
	for r := range pixels {
		e.P("FMOVQ.P 16(R%d), F%d", 8+r, 8+r)
	}
	for i := range pairs(pixels) { // V0 to V3 the first 8 bytes, V4 to V7 the others
		e.P("VZIP1 V%d.D2, V%d.D2, V%d.D2", 8+other(i), 8+2*i, i)
		e.P("VZIP2 V%d.D2, V%d.D2, V%d.D2", 8+other(i), 8+2*i, 4+i)
	}
	e.P("VLD1.P 64(R2), [V8.B16, V9.B16, V10.B16, V11.B16]")
	e.P("VLD1.P 64(R2), [V12.B16, V13.B16, V14.B16, V15.B16]")
	for half := range 2 {
		for i := range pairs(pixels) {
			for j := range 4 {
				e.smmla(16+4*i+j, 4*half+i, 8+4*half+j)
			}
		}
	}
	e.P("SUBS $16, R7")
	e.P("BGE step%d", pixels)
	e.P("tail%d:", pixels)
	e.P("ADDS $16, R7")
	e.P("BEQ done%d", pixels)
	for r := range pixels {
		e.P("FMOVD (R%d), F%d", 8+r, 8+r)
	}
	for i := range pairs(pixels) {
		e.P("VZIP1 V%d.D2, V%d.D2, V%d.D2", 8+other(i), 8+2*i, i)
	}
	e.P("VLD1.P 64(R2), [V8.B16, V9.B16, V10.B16, V11.B16]")
	for i := range pairs(pixels) {
		for j := range 4 {
			e.smmla(16+4*i+j, i, 8+j)
		}
	}
	e.P("done%d:", pixels)
}

func (smmla) finish(e emitter, pixels int) {
	e.eightConstants()
	for i := range pairs(pixels) {
		v := 16 + 4*i
		for k, zip := range []string{"VZIP1", "VZIP2"}[:min(2, pixels)] {
			e.P("%s V%d.D2, V%d.D2, V%d.D2", zip, v+1, v, 2*k)
			e.P("%s V%d.D2, V%d.D2, V%d.D2", zip, v+3, v+2, 2*k+1)
		}
		for k := range min(2, pixels) {
			e.eightChannels(2*k, 2*k+1)
		}
	}
}

func (smmla) peak(e emitter) {
	for i := range peakMACs / 32 {
		e.smmla(16+i%16, 0, 1)
	}
}

// mlal is what every arm64 has: SMULL and SMLAL2 add two products in 16 bits,
// at most 2*127*127 = 32258, SADALP adds two of those to each of 4 sums. Blocks
// of 4 channels, 16 bytes of a window at a time; pixel r has channel c's four
// partial sums in V16+4r+c.
type mlal struct{}

func (mlal) pixels() []int { return []int{4, 2, 1} }

func (mlal) start(e emitter, pixels int) {
	for i := range 4 * pixels {
		e.P("VEOR V%d.B16, V%d.B16, V%d.B16", 16+i, 16+i, 16+i)
	}
}

func (mlal) run(e emitter, pixels int) {
	e.P("step%d:", pixels)
	e.P("VLD1.P 64(R2), [V4.B16, V5.B16, V6.B16, V7.B16]")
	for r := range pixels {
		e.P("FMOVQ.P 16(R%d), F%d", 8+r, r)
	}
	for r := range pixels {
		for c := range 4 {
			e.smull(8+c, 4+c, r)
		}
		for c := range 4 {
			e.smlal2(8+c, 4+c, r)
		}
		for c := range 4 {
			e.sadalp(16+4*r+c, 8+c)
		}
	}
	e.P("SUBS $16, R7")
	e.P("BNE step%d", pixels)
}

func (mlal) finish(e emitter, pixels int) {
	e.P("MOVD tile_bias(R0), R20")
	e.P("VLD1 (R20), [V5.S4]")
	e.P("MOVD tile_scale(R0), R20")
	e.P("VLD1 (R20), [V6.S4]")
	e.P("MOVW tile_low(R0), R20")
	e.P("VDUP R20, V4.B8")
	for r := range pixels {
		a := 16 + 4*r
		e.addp(a, a, a+1)
		e.addp(a+2, a+2, a+3)
		e.addp(a, a, a+2)
		e.P("VADD V5.S4, V%d.S4, V%d.S4", a, a)
		e.requantise(a, 6)
		e.sqxtn4h(a, a)
		e.sqxtn8b(a, a)
		e.smax8b(a, a, 4)
		e.P("FMOVS F%d, (R21)", a)
		e.P("ADD R22, R21")
	}
}

func (mlal) peak(e emitter) {
	for i := range peakMACs / 16 {
		t := 8 + i%4
		e.smull(t, 0, 1)
		e.smlal2(t, 0, 1)
		e.sadalp(16+i%16, t)
	}
}
