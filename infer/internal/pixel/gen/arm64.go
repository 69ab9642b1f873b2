package main

func arm64() string {
	e := newEmitter()
	e.pickARM64()
	e.rowARM64()
	e.columnsARM64()
	e.rgbARM64()
	e.interleaveARM64()
	return e.text.String()
}

// Instructions that Go's assembler does not know, by their encoding in the
// Arm Architecture Reference Manual, each with its mnemonic.

func (e *emitter) word(code uint32, format string, args ...any) {
	e.p("WORD $0x%08x // "+format, append([]any{code}, args...)...)
}

func three(base uint32, d, n, m int) uint32 {
	return base | uint32(m)<<16 | uint32(n)<<5 | uint32(d)
}

func (e *emitter) smlal(d, n, m int) {
	e.word(three(0x0e608000, d, n, m), "smlal v%d.4s, v%d.4h, v%d.4h", d, n, m)
}

func (e *emitter) smlal2(d, n, m int) {
	e.word(three(0x4e608000, d, n, m), "smlal2 v%d.4s, v%d.8h, v%d.8h", d, n, m)
}

func (e *emitter) mla(d, n, m int) {
	e.word(three(0x4ea09400, d, n, m), "mla v%d.4s, v%d.4s, v%d.4s", d, n, m)
}

func (e *emitter) sshr16(d, n int) {
	e.word(three(0x4f300400, d, n, 0), "sshr v%d.4s, v%d.4s, #16", d, n)
}

func (e *emitter) sqxtun(d, n int) {
	e.word(three(0x2e612800, d, n, 0), "sqxtun v%d.4h, v%d.4s", d, n)
}

func (e *emitter) sqxtun2(d, n int) {
	e.word(three(0x6e612800, d, n, 0), "sqxtun2 v%d.8h, v%d.4s", d, n)
}

func (e *emitter) uqxtn(d, n int) {
	e.word(three(0x2e214800, d, n, 0), "uqxtn v%d.8b, v%d.8h", d, n)
}

// constant fills a register with a number.
func (e *emitter) constant(v, register int) {
	e.p("MOVD $%d, R9", v)
	e.p("VDUP R9, V%d.S4", register)
}

// pickARM64 emits 16 bytes out of 16 step a turn.
//
//	R1 result   R2 source   R3 turns left
func (e *emitter) pickARM64() {
	e.begin("applyPick", "pick")
	e.p("MOVD a+0(FP), R0")
	e.p("MOVD pick_dst(R0), R1")
	e.p("MOVD pick_src(R0), R2")
	e.p("MOVD pick_blocks(R0), R3")
	e.p("MOVD pick_step(R0), R4")
	e.p("CMP $3, R4")
	e.p("BEQ three")
	e.p("BGT four")
	for i, label := range []string{"two", "three", "four"} {
		e.p("%s:", label)
		e.p("VLD%d.P %d(R2), [%s]", i+2, 16*(i+2), []string{
			"V0.B16, V1.B16", "V0.B16, V1.B16, V2.B16", "V0.B16, V1.B16, V2.B16, V3.B16",
		}[i])
		e.p("VST1.P [V0.B16], 16(R1)")
		e.p("SUBS $1, R3")
		e.p("BNE %s", label)
		e.p("RET")
		e.p("")
	}
}

// rowARM64 emits four outputs a turn: V16..V19 sum the products of eight samples with the high bits of their
// weights, V20..V23 with the low ones.
//
//	R1 result   R2 source   R3 first samples   R4 weights   R5 turns left   R10..R13 the outputs' samples
func (e *emitter) rowARM64() {
	e.begin("applyRow", "row")
	e.p("MOVD a+0(FP), R0")
	e.p("MOVD row_dst(R0), R1")
	e.p("MOVD row_src(R0), R2")
	e.p("MOVD row_first(R0), R3")
	e.p("MOVD row_coef(R0), R4")
	e.p("MOVD row_groups(R0), R5")
	e.constant(1<<21, 30)
	e.p("group:")
	for q := range 4 {
		e.p("MOVW.P 4(R3), R%d", 10+q)
		e.p("ADD R2, R%d", 10+q)
		e.p("VEOR V%d.B16, V%d.B16, V%d.B16", 16+q, 16+q, 16+q)
		e.p("VEOR V%d.B16, V%d.B16, V%d.B16", 20+q, 20+q, 20+q)
	}
	e.p("MOVD row_blocks(R0), R6")
	e.p("block:")
	for q := range 4 {
		e.p("VLD1.P 8(R%d), [V0.B8]", 10+q)
		e.p("VUXTL V0.B8, V0.H8")
		e.p("VLD1.P 32(R4), [V1.H8, V2.H8]")
		e.smlal(16+q, 0, 1)
		e.smlal2(16+q, 0, 1)
		e.smlal(20+q, 0, 2)
		e.smlal2(20+q, 0, 2)
	}
	e.p("SUBS $1, R6")
	e.p("BNE block")
	for _, r := range []int{16, 20} {
		e.p("VADDP V%d.S4, V%d.S4, V%d.S4", r+1, r, r)
		e.p("VADDP V%d.S4, V%d.S4, V%d.S4", r+3, r+2, r+2)
		e.p("VADDP V%d.S4, V%d.S4, V%d.S4", r+2, r, r)
	}
	e.p("VSHL $11, V16.S4, V16.S4")
	e.p("VADD V20.S4, V16.S4, V16.S4")
	e.p("VADD V30.S4, V16.S4, V16.S4")
	e.p("VUSHR $22, V16.S4, V16.S4")
	e.p("VUZP1 V16.H8, V16.H8, V16.H8")
	e.p("VUZP1 V16.B16, V16.B16, V16.B16")
	e.p("FMOVS F16, (R1)")
	e.p("ADD $4, R1")
	e.p("SUBS $1, R5")
	e.p("BNE group")
	e.p("RET")
}

// columnsARM64 emits 32 outputs a turn, sums in V16..V23.
//
//	R1 result   R2 first row   R3 stride   R5 turns left   R6 weight   R7 weights left   R8 row
func (e *emitter) columnsARM64() {
	e.begin("applyColumns", "columns")
	e.p("MOVD a+0(FP), R0")
	e.p("MOVD columns_dst(R0), R1")
	e.p("MOVD columns_rows(R0), R2")
	e.p("MOVD columns_stride(R0), R3")
	e.p("MOVD columns_blocks(R0), R5")
	e.constant(1<<21, 30)
	e.p("block:")
	for q := range 8 {
		e.p("VMOV V30.B16, V%d.B16", 16+q)
	}
	e.p("MOVD R2, R8")
	e.p("MOVD columns_coef(R0), R6")
	e.p("MOVD columns_taps(R0), R7")
	e.p("tap:")
	e.p("VLD1R.P 4(R6), [V31.S4]")
	e.p("VLD1 (R8), [V0.B16, V1.B16]")
	for h := range 2 {
		e.p("VUXTL V%d.B8, V%d.H8", h, 2+2*h)
		e.p("VUXTL2 V%d.B16, V%d.H8", h, 3+2*h)
	}
	for w := range 4 {
		e.p("VUXTL V%d.H4, V6.S4", 2+w)
		e.p("VUXTL2 V%d.H8, V7.S4", 2+w)
		e.mla(16+2*w, 6, 31)
		e.mla(17+2*w, 7, 31)
	}
	e.p("ADD R3, R8")
	e.p("SUBS $1, R7")
	e.p("BNE tap")
	for q := range 8 {
		e.p("VUSHR $22, V%d.S4, V%d.S4", 16+q, 16+q)
	}
	for w := range 4 {
		e.p("VUZP1 V%d.H8, V%d.H8, V%d.H8", 17+2*w, 16+2*w, 2+w)
	}
	for h := range 2 {
		e.p("VUZP1 V%d.B16, V%d.B16, V%d.B16", 3+2*h, 2+2*h, h)
	}
	e.p("VST1.P [V0.B16, V1.B16], 32(R1)")
	e.p("ADD $32, R2")
	e.p("SUBS $1, R5")
	e.p("BNE block")
	e.p("RET")
}

// planesARM64 loads the arguments of a kernel of three planes to R1..R5.
func (e *emitter) planesARM64(name string) {
	e.begin(name, "planes")
	e.p("MOVD a+0(FP), R0")
	e.p("MOVD planes_dst(R0), R1")
	e.p("MOVD planes_a(R0), R2")
	e.p("MOVD planes_b(R0), R3")
	e.p("MOVD planes_c(R0), R4")
	e.p("MOVD planes_blocks(R0), R5")
}

func (e *emitter) rgbARM64() {
	e.planesARM64("applyRGB")
	e.p("MOVD planes_m(R0), R6")
	for i, field := range []string{"Black", "Y", "RCr", "GCb", "GCr", "BCb"} {
		e.p("MOVW Matrix_%s(R6), R9", field)
		e.p("VDUP R9, V%d.S4", 24+i)
	}
	e.constant(1<<15, 30)
	e.constant(128, 31)
	e.p("next:")
	for i := range 3 {
		e.p("VLD1 (R%d), [V%d.B8]", 2+i, i)
		e.p("VUXTL V%d.B8, V%d.H8", i, i)
	}
	for h := range 2 { // four pixels each
		for i := range 3 {
			if h == 0 {
				e.p("VUXTL V%d.H4, V%d.S4", i, 3+i)
			} else {
				e.p("VUXTL2 V%d.H8, V%d.S4", i, 3+i)
			}
		}
		e.p("VSUB V24.S4, V3.S4, V3.S4")
		e.p("VSUB V31.S4, V4.S4, V4.S4") // Cb - 128
		e.p("VSUB V31.S4, V5.S4, V5.S4") // Cr - 128
		e.p("VMOV V30.B16, V16.B16")
		e.mla(16, 3, 25) // l
		for _, r := range []int{17, 18} {
			e.p("VMOV V16.B16, V%d.B16", r)
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
		e.p("VST1.P [V%d.B8], 8(R%d)", 20+c, 2+c)
	}
	e.p("SUBS $1, R5")
	e.p("BNE next")
	e.p("RET")
}

func (e *emitter) interleaveARM64() {
	e.planesARM64("applyInterleave")
	e.p("VMOVI $1, V6.B16")
	e.p("VMOVI $128, V7.B16")
	e.p("next:")
	for i := range 3 {
		e.p("VLD1.P 16(R%d), [V%d.B16]", 2+i, i)
		e.p("VUMAX V6.B16, V%d.B16, V%d.B16", i, i)
		e.p("VEOR V7.B16, V%d.B16, V%d.B16", i, i)
	}
	e.p("VST3.P [V0.B16, V1.B16, V2.B16], 48(R1)")
	e.p("SUBS $1, R5")
	e.p("BNE next")
	e.p("RET")
}
