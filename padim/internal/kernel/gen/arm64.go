package main

import "cull/internal/asmgen"

func arm64() string {
	e := newEmitter()
	e.factorARM64(true)
	e.factorARM64(false)
	e.projectARM64()
	e.sum3ARM64()
	e.scaled3ARM64()
	e.choleskyARM64()
	e.invertARM64()
	e.sharedARM64()
	return e.String()
}

// Instructions that Go's assembler does not know, by their encoding in the
// Arm Architecture Reference Manual, each with its mnemonic.

func (e emitter) fsub(d, n, m int) {
	e.Word(asmgen.Three(0x4ea0d400, d, n, m), "fsub v%d.4s, v%d.4s, v%d.4s", d, n, m)
}

func (e emitter) fcvtl(d, n int) {
	e.Word(asmgen.Three(0x0e217800, d, n, 0), "fcvtl v%d.4s, v%d.4h", d, n)
}

func (e emitter) fcvtl2(d, n int) {
	e.Word(asmgen.Three(0x4e217800, d, n, 0), "fcvtl2 v%d.4s, v%d.8h", d, n)
}

func (e emitter) zeroARM64(n int) {
	for r := range 4 * n {
		e.P("VEOR V%d.B16, V%d.B16, V%d.B16", r, r, r)
	}
}

// factorARM64 emits func {half,single}NEON(a *factor). The sums of panel p are
// in V4p..V4p+3.
//
//	R1  factor           R2  y             R3  its next column
//	R4  panels left      R5  columns that reach all panels of the group
//	R6  columns of the very last panel     R7  of the group's last panel
//	R9  columns left of a loop
func (e emitter) factorARM64(half bool) {
	name := "singleNEON"
	if half {
		name = "halfNEON"
	}
	e.Begin(name, "factor")
	e.P("MOVD a+0(FP), R0")
	e.P("MOVD factor_w(R0), R1")
	e.P("MOVD factor_mean(R0), R10")
	e.P("MOVD factor_x(R0), R11")
	e.P("MOVD factor_y(R0), R2")
	e.P("MOVD factor_d(R0), R9")
	e.P("ADD $15, R9, R4")
	e.P("LSR $4, R4, R4")
	e.P("MOVD R4, R7")
	e.P("MOVD R2, R3")
	e.P("subtract:")
	e.P("VLD1.P 64(R11), [V0.S4, V1.S4, V2.S4, V3.S4]")
	e.P("VLD1.P 64(R10), [V4.S4, V5.S4, V6.S4, V7.S4]")
	for r := range 4 {
		e.fsub(r, r, 4+r)
	}
	e.P("VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R3)")
	e.P("SUBS $1, R7, R7")
	e.P("BNE subtract")
	e.P("SUB $1, R4, R6")
	e.P("LSL $4, R6, R6")
	e.P("SUB R6, R9, R6")
	e.P("MOVD $0, R5")
	e.P("")
	e.P("group:")
	e.P("MOVD R2, R3")
	e.P("MOVD $16, R7")
	e.P("CMP $%d, R4", group)
	e.P("BGT group%d", group)
	e.P("MOVD R6, R7")
	e.P("BEQ group%d", group)
	for n := group - 1; n > 1; n-- {
		e.P("CMP $%d, R4", n)
		e.P("BEQ group%d", n)
	}
	for n := 1; n <= group; n++ {
		e.P("")
		e.P("group%d:", n)
		e.zeroARM64(n)
		e.P("CBZ R5, triangle%d", n)
		e.P("MOVD R5, R9")
		e.P("all%d:", n)
		e.columnARM64(half, 0, n)
		e.P("SUBS $1, R9, R9")
		e.P("BNE all%d", n)
		e.P("triangle%d:", n)
		for k := range n {
			if k == n-1 {
				e.P("MOVD R7, R9")
			} else {
				e.P("MOVD $16, R9")
			}
			e.P("from%d_%d:", k, n)
			e.columnARM64(half, k, n)
			e.P("SUBS $1, R9, R9")
			e.P("BNE from%d_%d", k, n)
		}
		e.endGroupARM64(n)
	}
	e.P("")
	e.P("done:")
	e.P("RET")
}

// columnARM64 emits one column of panels k..n-1: product, rounding, sum, rounding.
func (e emitter) columnARM64(half bool, k, n int) {
	e.P("VLD1R.P 4(R3), [V31.S4]")
	for p := k; p < n; p++ {
		if half {
			e.P("VLD1.P 32(R1), [V24.H8, V25.H8]")
			e.fcvtl(26, 24)
			e.fcvtl2(27, 24)
			e.fcvtl(28, 25)
			e.fcvtl2(29, 25)
		} else {
			e.P("VLD1.P 64(R1), [V26.S4, V27.S4, V28.S4, V29.S4]")
		}
		for r := range 4 {
			e.Fmul4s(26+r, 26+r, 31)
		}
		for r := range 4 {
			e.Fadd4s(4*p+r, 4*p+r, 26+r)
		}
	}
}

// endGroupARM64 emits the squares of n panels.
func (e emitter) endGroupARM64(n int) {
	e.P("ADD $factor_lane, R0, R10")
	e.P("VLD1 (R10), [V24.S4, V25.S4, V26.S4, V27.S4]")
	for r := range 4 * n {
		e.Fmul4s(r, r, r)
		e.Fadd4s(24+r%4, 24+r%4, r)
	}
	e.P("VST1 [V24.S4, V25.S4, V26.S4, V27.S4], (R10)")
	if n < group {
		e.P("B done")
		return
	}
	e.P("ADD $%d, R5, R5", 16*group)
	e.P("SUBS $%d, R4, R4", group)
	e.P("BGT group")
}

// projectARM64 emits func projectNEON(a *project): per group of panels, per pair
// of inputs, 16 pairs of weights a panel, which VLD2 takes apart.
func (e emitter) projectARM64() {
	e.Begin("projectNEON", "project")
	e.P("MOVD a+0(FP), R0")
	e.P("MOVD project_w(R0), R1")
	e.P("MOVD project_dst(R0), R2")
	e.P("MOVD project_x(R0), R3")
	e.P("MOVD project_panels(R0), R4")
	e.P("")
	e.P("group:")
	e.P("MOVD R3, R5")
	e.P("MOVD project_pairs(R0), R6")
	e.P("CMP $%d, R4", group)
	e.P("BGE group%d", group)
	for n := group - 1; n > 1; n-- {
		e.P("CMP $%d, R4", n)
		e.P("BEQ group%d", n)
	}
	for n := 1; n <= group; n++ {
		e.P("")
		e.P("group%d:", n)
		e.zeroARM64(n)
		e.P("pair%d:", n)
		e.P("VLD1R.P 2(R5), [V30.H8]")
		e.P("VLD1R.P 2(R5), [V31.H8]")
		for p := range n {
			for q := range 2 {
				r, a, b := 4*p+2*q, 24+2*q, 25+2*q
				e.P("VLD2.P 32(R1), [V%d.H8, V%d.H8]", a, b)
				e.Smlal4s(r, a, 30)
				e.Smlal24s(r+1, a, 30)
				e.Smlal4s(r, b, 31)
				e.Smlal24s(r+1, b, 31)
			}
		}
		e.P("SUBS $1, R6, R6")
		e.P("BNE pair%d", n)
		for p := range n {
			e.P("VST1.P [V%d.S4, V%d.S4, V%d.S4, V%d.S4], 64(R2)", 4*p, 4*p+1, 4*p+2, 4*p+3)
		}
		if n < group {
			e.P("B done")
			continue
		}
		e.P("SUBS $%d, R4, R4", n)
		e.P("BNE group")
	}
	e.P("")
	e.P("done:")
	e.P("RET")
}

// rowsARM64 starts a kernel over rows and loads a + b + c to V0..V3.
func (e emitter) rowsARM64(name string) {
	e.Begin(name, "rows")
	e.P("MOVD a+0(FP), R0")
	e.P("MOVD rows_dst(R0), R1")
	e.P("MOVD rows_a(R0), R2")
	e.P("MOVD rows_b(R0), R3")
	e.P("MOVD rows_c(R0), R4")
	e.P("MOVD rows_f(R0), R5")
	e.P("MOVD rows_panels(R0), R6")
	e.P("next:")
	e.P("VLD1.P 64(R2), [V0.S4, V1.S4, V2.S4, V3.S4]")
	e.P("VLD1.P 64(R3), [V4.S4, V5.S4, V6.S4, V7.S4]")
	e.P("VLD1.P 64(R4), [V16.S4, V17.S4, V18.S4, V19.S4]")
	for r := range 4 {
		e.P("VADD V%d.S4, V%d.S4, V%d.S4", 4+r, r, r)
	}
	for r := range 4 {
		e.P("VADD V%d.S4, V%d.S4, V%d.S4", 16+r, r, r)
	}
}

func (e emitter) endRowsARM64() {
	e.P("VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R1)")
	e.P("SUBS $1, R6, R6")
	e.P("BNE next")
	e.P("RET")
}

// sum3ARM64 emits func sum3NEON(a *rows): dst = a + b + c.
func (e emitter) sum3ARM64() {
	e.rowsARM64("sum3NEON")
	e.endRowsARM64()
}

// scaled3ARM64 emits func scaled3NEON(a *rows): dst += float32(a+b+c) * f.
func (e emitter) scaled3ARM64() {
	e.rowsARM64("scaled3NEON")
	e.P("VLD1.P 64(R5), [V20.S4, V21.S4, V22.S4, V23.S4]")
	e.P("VLD1 (R1), [V24.S4, V25.S4, V26.S4, V27.S4]")
	for r := range 4 {
		e.Scvtf4s(r, r)
	}
	for r := range 4 {
		e.Fmul4s(r, r, 20+r)
	}
	for r := range 4 {
		e.Fadd4s(r, r, 24+r)
	}
	e.endRowsARM64()
}
