package main

import "cull/internal/asmgen"

func arm64() string {
	e := newEmitter()
	e.pickARM64()
	e.rowARM64()
	e.columnsARM64()
	e.rgbARM64()
	e.interleaveARM64()
	return e.String()
}

// Instructions that Go's assembler does not know, by their encoding in the
// Arm Architecture Reference Manual, each with its mnemonic.

func (e emitter) mla(d, n, m int) {
	e.Word(asmgen.Three(0x4ea09400, d, n, m), "mla v%d.4s, v%d.4s, v%d.4s", d, n, m)
}

func (e emitter) sshr16(d, n int) {
	e.Word(asmgen.Three(0x4f300400, d, n, 0), "sshr v%d.4s, v%d.4s, #16", d, n)
}

func (e emitter) sqxtun(d, n int) {
	e.Word(asmgen.Three(0x2e612800, d, n, 0), "sqxtun v%d.4h, v%d.4s", d, n)
}

func (e emitter) sqxtun2(d, n int) {
	e.Word(asmgen.Three(0x6e612800, d, n, 0), "sqxtun2 v%d.8h, v%d.4s", d, n)
}

func (e emitter) uqxtn(d, n int) {
	e.Word(asmgen.Three(0x2e214800, d, n, 0), "uqxtn v%d.8b, v%d.8h", d, n)
}

// constant fills a register with a number.
func (e emitter) constant(v, register int) {
	e.P("MOVD $%d, R9", v)
	e.P("VDUP R9, V%d.S4", register)
}

// pickARM64 emits 16 bytes out of 16 step a turn.
//
//	R1 result   R2 source   R3 turns left
func (e emitter) pickARM64() {
	e.Begin("applyPick", "pick")
	e.P("MOVD a+0(FP), R0")
	e.P("MOVD pick_dst(R0), R1")
	e.P("MOVD pick_src(R0), R2")
	e.P("MOVD pick_blocks(R0), R3")
	e.P("MOVD pick_step(R0), R4")
	e.P("CMP $3, R4")
	e.P("BEQ three")
	e.P("BGT four")
	for i, label := range []string{"two", "three", "four"} {
		e.P("%s:", label)
		e.P("VLD%d.P %d(R2), [%s]", i+2, 16*(i+2), []string{
			"V0.B16, V1.B16", "V0.B16, V1.B16, V2.B16", "V0.B16, V1.B16, V2.B16, V3.B16",
		}[i])
		e.P("VST1.P [V0.B16], 16(R1)")
		e.P("SUBS $1, R3")
		e.P("BNE %s", label)
		e.P("RET")
		e.P("")
	}
}

// rowARM64 emits four outputs a turn: V16..V19 sum the products of eight samples with the high bits of their
// weights, V20..V23 with the low ones.
//
//	R1 result   R2 source   R3 first samples   R4 weights   R5 turns left   R10..R13 the outputs' samples
func (e emitter) rowARM64() {
	e.Begin("applyRow", "row")
	e.P("MOVD a+0(FP), R0")
	e.P("MOVD row_dst(R0), R1")
	e.P("MOVD row_src(R0), R2")
	e.P("MOVD row_first(R0), R3")
	e.P("MOVD row_coef(R0), R4")
	e.P("MOVD row_groups(R0), R5")
	e.constant(1<<21, 30)
	e.P("group:")
	for q := range 4 {
		e.P("MOVW.P 4(R3), R%d", 10+q)
		e.P("ADD R2, R%d", 10+q)
		e.P("VEOR V%d.B16, V%d.B16, V%d.B16", 16+q, 16+q, 16+q)
		e.P("VEOR V%d.B16, V%d.B16, V%d.B16", 20+q, 20+q, 20+q)
	}
	e.P("MOVD row_blocks(R0), R6")
	e.P("block:")
	for q := range 4 {
		e.P("VLD1.P 8(R%d), [V0.B8]", 10+q)
		e.P("VUXTL V0.B8, V0.H8")
		e.P("VLD1.P 32(R4), [V1.H8, V2.H8]")
		e.Smlal4s(16+q, 0, 1)
		e.Smlal24s(16+q, 0, 1)
		e.Smlal4s(20+q, 0, 2)
		e.Smlal24s(20+q, 0, 2)
	}
	e.P("SUBS $1, R6")
	e.P("BNE block")
	for _, r := range []int{16, 20} {
		e.P("VADDP V%d.S4, V%d.S4, V%d.S4", r+1, r, r)
		e.P("VADDP V%d.S4, V%d.S4, V%d.S4", r+3, r+2, r+2)
		e.P("VADDP V%d.S4, V%d.S4, V%d.S4", r+2, r, r)
	}
	e.P("VSHL $11, V16.S4, V16.S4")
	e.P("VADD V20.S4, V16.S4, V16.S4")
	e.P("VADD V30.S4, V16.S4, V16.S4")
	e.P("VUSHR $22, V16.S4, V16.S4")
	e.P("VUZP1 V16.H8, V16.H8, V16.H8")
	e.P("VUZP1 V16.B16, V16.B16, V16.B16")
	e.P("FMOVS F16, (R1)")
	e.P("ADD $4, R1")
	e.P("SUBS $1, R5")
	e.P("BNE group")
	e.P("RET")
}

// columnsARM64 emits 32 outputs a turn, sums in V16..V23.
//
//	R1 result   R2 first row   R3 stride   R5 turns left   R6 weight   R7 weights left   R8 row
func (e emitter) columnsARM64() {
	e.Begin("applyColumns", "columns")
	e.P("MOVD a+0(FP), R0")
	e.P("MOVD columns_dst(R0), R1")
	e.P("MOVD columns_rows(R0), R2")
	e.P("MOVD columns_stride(R0), R3")
	e.P("MOVD columns_blocks(R0), R5")
	e.constant(1<<21, 30)
	e.P("block:")
	for q := range 8 {
		e.P("VMOV V30.B16, V%d.B16", 16+q)
	}
	e.P("MOVD R2, R8")
	e.P("MOVD columns_coef(R0), R6")
	e.P("MOVD columns_taps(R0), R7")
	e.P("tap:")
	e.P("VLD1R.P 4(R6), [V31.S4]")
	e.P("VLD1 (R8), [V0.B16, V1.B16]")
	for h := range 2 {
		e.P("VUXTL V%d.B8, V%d.H8", h, 2+2*h)
		e.P("VUXTL2 V%d.B16, V%d.H8", h, 3+2*h)
	}
	for w := range 4 {
		e.P("VUXTL V%d.H4, V6.S4", 2+w)
		e.P("VUXTL2 V%d.H8, V7.S4", 2+w)
		e.mla(16+2*w, 6, 31)
		e.mla(17+2*w, 7, 31)
	}
	e.P("ADD R3, R8")
	e.P("SUBS $1, R7")
	e.P("BNE tap")
	for q := range 8 {
		e.P("VUSHR $22, V%d.S4, V%d.S4", 16+q, 16+q)
	}
	for w := range 4 {
		e.P("VUZP1 V%d.H8, V%d.H8, V%d.H8", 17+2*w, 16+2*w, 2+w)
	}
	for h := range 2 {
		e.P("VUZP1 V%d.B16, V%d.B16, V%d.B16", 3+2*h, 2+2*h, h)
	}
	e.P("VST1.P [V0.B16, V1.B16], 32(R1)")
	e.P("ADD $32, R2")
	e.P("SUBS $1, R5")
	e.P("BNE block")
	e.P("RET")
}

// planesARM64 loads the arguments of a kernel of three planes to R1..R5.
func (e emitter) planesARM64(name string) {
	e.Begin(name, "planes")
	e.P("MOVD a+0(FP), R0")
	e.P("MOVD planes_dst(R0), R1")
	e.P("MOVD planes_a(R0), R2")
	e.P("MOVD planes_b(R0), R3")
	e.P("MOVD planes_c(R0), R4")
	e.P("MOVD planes_blocks(R0), R5")
}

func (e emitter) rgbARM64() {
	e.planesARM64("applyRGB")
	e.P("MOVD planes_m(R0), R6")
	for i, field := range []string{"Black", "Y", "RCr", "GCb", "GCr", "BCb"} {
		e.P("MOVW Matrix_%s(R6), R9", field)
		e.P("VDUP R9, V%d.S4", 24+i)
	}
	e.constant(1<<15, 30)
	e.constant(128, 31)
	e.P("next:")
	for i := range 3 {
		e.P("VLD1 (R%d), [V%d.B8]", 2+i, i)
		e.P("VUXTL V%d.B8, V%d.H8", i, i)
	}
	for h := range 2 { // four pixels each
		for i := range 3 {
			if h == 0 {
				e.P("VUXTL V%d.H4, V%d.S4", i, 3+i)
			} else {
				e.P("VUXTL2 V%d.H8, V%d.S4", i, 3+i)
			}
		}
		e.P("VSUB V24.S4, V3.S4, V3.S4")
		e.P("VSUB V31.S4, V4.S4, V4.S4") // Cb - 128
		e.P("VSUB V31.S4, V5.S4, V5.S4") // Cr - 128
		e.P("VMOV V30.B16, V16.B16")
		e.mla(16, 3, 25) // l
		for _, r := range []int{17, 18} {
			e.P("VMOV V16.B16, V%d.B16", r)
		}
		e.mla(17, 4, 27)
		e.mla(17, 5, 28) // G
		e.mla(18, 4, 29) // B
		e.mla(16, 5, 26) // R
		for c := range 3 {
			e.sshr16(16+c, 16+c)
			if h == 0 {
				e.sqxtun(20+c, 16+c)
			} else {
				e.sqxtun2(20+c, 16+c)
			}
		}
	}
	for c := range 3 {
		e.uqxtn(20+c, 20+c)
		e.P("VST1.P [V%d.B8], 8(R%d)", 20+c, 2+c)
	}
	e.P("SUBS $1, R5")
	e.P("BNE next")
	e.P("RET")
}

func (e emitter) interleaveARM64() {
	e.planesARM64("applyInterleave")
	e.P("VMOVI $1, V6.B16")
	e.P("VMOVI $128, V7.B16")
	e.P("next:")
	for i := range 3 {
		e.P("VLD1.P 16(R%d), [V%d.B16]", 2+i, i)
		e.P("VUMAX V6.B16, V%d.B16, V%d.B16", i, i)
		e.P("VEOR V7.B16, V%d.B16, V%d.B16", i, i)
	}
	e.P("VST3.P [V0.B16, V1.B16, V2.B16], 48(R1)")
	e.P("SUBS $1, R5")
	e.P("BNE next")
	e.P("RET")
}
