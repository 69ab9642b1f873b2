package main

import "fmt"

func amd64() string {
	e := newEmitter()
	for _, isa := range []simd{{"AVX512", "Z", 64}, {"AVX2", "Y", 32}} {
		e.factorAMD64(isa, true)
		e.factorAMD64(isa, false)
		e.projectAMD64(isa)
		e.sum3AMD64(isa)
		e.scaled3AMD64(isa)
		e.choleskyAMD64(isa)
		e.invertAMD64(isa)
	}
	e.sharedAMD64()
	return e.text.String()
}

// A simd is an amd64 instruction set: its name, the letter of its registers and
// their bytes. Sums are in the first registers, 64/bytes of them a panel.
type simd struct {
	name, letter string
	bytes        int
}

func (s simd) reg(i int) string { return fmt.Sprintf("%s%d", s.letter, i) }

// registers returns how many hold a panel of 16 numbers.
func (s simd) registers() int { return 64 / s.bytes }

// spare returns the i-th register that holds no sum.
func (s simd) spare(i int) string { return s.reg(group*s.registers() + i) }

// zero clears the sums of n panels.
func (e *emitter) zeroAMD64(s simd, n int) {
	for r := range n * s.registers() {
		if s.bytes == 64 {
			e.p("VPXORQ %s, %s, %s", s.reg(r), s.reg(r), s.reg(r))
		} else {
			e.p("VPXOR %s, %s, %s", s.reg(r), s.reg(r), s.reg(r))
		}
	}
}

// factorAMD64 emits func {half,single}ISA(a *factor).
//
//	SI  factor           DI  y             DX  its next column
//	R8  panels left      R9  columns that reach all panels of the group
//	R10 columns of the very last panel     R11 of the group's last panel
//	BX  z, where wanted  CX  columns left of a loop
func (e *emitter) factorAMD64(s simd, half bool) {
	name := "single" + s.name
	if half {
		name = "half" + s.name
	}
	e.begin(name, "factor")
	e.p("MOVQ a+0(FP), AX")
	e.p("MOVQ factor_w(AX), SI")
	e.p("MOVQ factor_mean(AX), R12")
	e.p("MOVQ factor_x(AX), R13")
	e.p("MOVQ factor_y(AX), DI")
	e.p("MOVQ factor_z(AX), BX")
	e.p("MOVQ factor_d(AX), CX")
	e.p("LEAQ 15(CX), R8")
	e.p("SHRQ $4, R8")
	e.subtractAMD64(s)
	e.p("LEAQ -1(R8), DX")
	e.p("SHLQ $4, DX")
	e.p("MOVQ CX, R10")
	e.p("SUBQ DX, R10")
	e.p("XORQ R9, R9")
	e.p("")
	e.p("group:")
	e.p("MOVQ DI, DX")
	e.p("MOVQ $16, R11")
	e.p("CMPQ R8, $%d", group)
	e.p("JGT group%d", group)
	e.p("MOVQ R10, R11")
	e.p("JEQ group%d", group)
	for n := group - 1; n > 1; n-- {
		e.p("CMPQ R8, $%d", n)
		e.p("JEQ group%d", n)
	}
	for n := 1; n <= group; n++ {
		e.p("")
		e.p("group%d:", n)
		e.zeroAMD64(s, n)
		e.p("MOVQ R9, CX")
		e.p("TESTQ CX, CX")
		e.p("JZ triangle%d", n)
		e.p("all%d:", n)
		e.columnAMD64(s, half, 0, n)
		e.p("DECQ CX")
		e.p("JNZ all%d", n)
		e.p("triangle%d:", n)
		for k := range n {
			if k == n-1 {
				e.p("MOVQ R11, CX")
			} else {
				e.p("MOVQ $16, CX")
			}
			e.p("from%d_%d:", k, n)
			e.columnAMD64(s, half, k, n)
			e.p("DECQ CX")
			e.p("JNZ from%d_%d", k, n)
		}
		e.endGroupAMD64(s, n)
	}
	e.p("")
	e.p("done:")
	e.p("VZEROUPPER")
	e.p("RET")
}

// subtractAMD64 emits y = x - mean over R8 panels.
func (e *emitter) subtractAMD64(s simd) {
	e.p("MOVQ R8, R11")
	e.p("MOVQ DI, DX")
	e.p("subtract:")
	for r := range s.registers() {
		e.p("VMOVUPS %d(R13), %s", r*s.bytes, s.reg(r))
		e.p("VSUBPS %d(R12), %s, %s", r*s.bytes, s.reg(r), s.reg(r))
		e.p("VMOVUPS %s, %d(DX)", s.reg(r), r*s.bytes)
	}
	e.p("ADDQ $64, R13")
	e.p("ADDQ $64, R12")
	e.p("ADDQ $64, DX")
	e.p("DECQ R11")
	e.p("JNZ subtract")
}

// columnAMD64 emits one column of panels k..n-1: product, rounding, sum, rounding.
func (e *emitter) columnAMD64(s simd, half bool, k, n int) {
	y := s.spare(0)
	e.p("VBROADCASTSS (DX), %s", y)
	at := 0
	for r := k * s.registers(); r < n*s.registers(); r++ {
		t := s.spare(1 + r%2)
		if half {
			e.p("VCVTPH2PS %d(SI), %s", at, t)
			e.p("VMULPS %s, %s, %s", y, t, t)
			at += s.bytes / 2
		} else {
			e.p("VMULPS %d(SI), %s, %s", at, y, t)
			at += s.bytes
		}
		e.p("VADDPS %s, %s, %s", t, s.reg(r), s.reg(r))
	}
	e.p("ADDQ $%d, SI", at)
	e.p("ADDQ $4, DX")
}

// endGroupAMD64 emits the squares and, where wanted, z of n panels.
func (e *emitter) endGroupAMD64(s simd, n int) {
	e.p("TESTQ BX, BX")
	e.p("JZ squares%d", n)
	for r := range n * s.registers() {
		e.p("VMOVUPS %s, %d(BX)", s.reg(r), r*s.bytes)
	}
	e.p("ADDQ $%d, BX", 64*n)
	e.p("squares%d:", n)
	for l := range s.registers() {
		e.p("VMOVUPS factor_lane+%d(AX), %s", l*s.bytes, s.spare(l))
	}
	for r := range n * s.registers() {
		lane := s.spare(r % s.registers())
		e.p("VMULPS %s, %s, %s", s.reg(r), s.reg(r), s.reg(r))
		e.p("VADDPS %s, %s, %s", s.reg(r), lane, lane)
	}
	for l := range s.registers() {
		e.p("VMOVUPS %s, factor_lane+%d(AX)", s.spare(l), l*s.bytes)
	}
	if n < group {
		e.p("JMP done")
		return
	}
	e.p("ADDQ $%d, R9", 16*group)
	e.p("SUBQ $%d, R8", group)
	e.p("JG group")
}

// projectAMD64 emits func projectISA(a *project): per group of panels, per pair
// of inputs, 16 pairs of weights a panel.
//
//	SI weights  DI result  BX inputs  DX next pair  CX pairs left  R8 panels left
func (e *emitter) projectAMD64(s simd) {
	e.begin("project"+s.name, "project")
	e.p("MOVQ a+0(FP), AX")
	e.p("MOVQ project_w(AX), SI")
	e.p("MOVQ project_dst(AX), DI")
	e.p("MOVQ project_x(AX), BX")
	e.p("MOVQ project_panels(AX), R8")
	e.p("")
	e.p("group:")
	e.p("MOVQ BX, DX")
	e.p("MOVQ project_pairs(AX), CX")
	e.p("CMPQ R8, $%d", group)
	e.p("JGE group%d", group)
	for n := group - 1; n > 1; n-- {
		e.p("CMPQ R8, $%d", n)
		e.p("JEQ group%d", n)
	}
	for n := 1; n <= group; n++ {
		e.p("")
		e.p("group%d:", n)
		e.zeroAMD64(s, n)
		e.p("pair%d:", n)
		x := s.spare(0)
		e.p("VPBROADCASTD (DX), %s", x)
		for r := range n * s.registers() {
			t := s.spare(1 + r%2)
			e.p("VPMADDWD %d(SI), %s, %s", r*s.bytes, x, t)
			e.p("VPADDD %s, %s, %s", t, s.reg(r), s.reg(r))
		}
		e.p("ADDQ $%d, SI", 64*n)
		e.p("ADDQ $4, DX")
		e.p("DECQ CX")
		e.p("JNZ pair%d", n)
		for r := range n * s.registers() {
			e.p("VMOVUPS %s, %d(DI)", s.reg(r), r*s.bytes)
		}
		if n < group {
			e.p("JMP done")
			continue
		}
		e.p("ADDQ $%d, DI", 64*n)
		e.p("SUBQ $%d, R8", n)
		e.p("JNZ group")
	}
	e.p("")
	e.p("done:")
	e.p("VZEROUPPER")
	e.p("RET")
}

// sum3AMD64 emits func sum3ISA(a *rows): dst = a + b + c, 16 numbers at a time.
func (e *emitter) sum3AMD64(s simd) {
	e.rowsAMD64("sum3", s)
	for r := range s.registers() {
		at := r * s.bytes
		e.p("VMOVDQU%s %d(SI), %s", s.wide(), at, s.reg(r))
		e.p("VPADDD %d(DX), %s, %s", at, s.reg(r), s.reg(r))
		e.p("VPADDD %d(BX), %s, %s", at, s.reg(r), s.reg(r))
		e.p("VMOVDQU%s %s, %d(DI)", s.wide(), s.reg(r), at)
	}
	e.endRowsAMD64()
}

// scaled3AMD64 emits func scaled3ISA(a *rows): dst += float32(a+b+c) * f.
func (e *emitter) scaled3AMD64(s simd) {
	e.rowsAMD64("scaled3", s)
	for r := range s.registers() {
		at := r * s.bytes
		e.p("VMOVDQU%s %d(SI), %s", s.wide(), at, s.reg(r))
		e.p("VPADDD %d(DX), %s, %s", at, s.reg(r), s.reg(r))
		e.p("VPADDD %d(BX), %s, %s", at, s.reg(r), s.reg(r))
		e.p("VCVTDQ2PS %s, %s", s.reg(r), s.reg(r))
		e.p("VMULPS %d(R8), %s, %s", at, s.reg(r), s.reg(r))
		e.p("VADDPS %d(DI), %s, %s", at, s.reg(r), s.reg(r))
		e.p("VMOVUPS %s, %d(DI)", s.reg(r), at)
	}
	e.p("ADDQ $64, R8")
	e.endRowsAMD64()
}

func (s simd) wide() string {
	if s.bytes == 64 {
		return "32"
	}
	return ""
}

func (e *emitter) rowsAMD64(name string, s simd) {
	e.begin(name+s.name, "rows")
	e.p("MOVQ a+0(FP), AX")
	e.p("MOVQ rows_dst(AX), DI")
	e.p("MOVQ rows_a(AX), SI")
	e.p("MOVQ rows_b(AX), DX")
	e.p("MOVQ rows_c(AX), BX")
	e.p("MOVQ rows_f(AX), R8")
	e.p("MOVQ rows_panels(AX), CX")
	e.p("next:")
}

func (e *emitter) endRowsAMD64() {
	for _, r := range []string{"SI", "DX", "BX", "DI"} {
		e.p("ADDQ $64, %s", r)
	}
	e.p("DECQ CX")
	e.p("JNZ next")
	e.p("VZEROUPPER")
	e.p("RET")
}
