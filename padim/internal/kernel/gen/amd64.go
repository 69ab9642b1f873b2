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
	return e.String()
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
func (e emitter) zeroAMD64(s simd, n int) {
	for r := range n * s.registers() {
		if s.bytes == 64 {
			e.P("VPXORQ %s, %s, %s", s.reg(r), s.reg(r), s.reg(r))
		} else {
			e.P("VPXOR %s, %s, %s", s.reg(r), s.reg(r), s.reg(r))
		}
	}
}

// factorAMD64 emits func {half,single}ISA(a *factor).
//
//	SI  factor           DI  y             DX  its next column
//	R8  panels left      R9  columns that reach all panels of the group
//	R10 columns of the very last panel     R11 of the group's last panel
//	CX  columns left of a loop
func (e emitter) factorAMD64(s simd, half bool) {
	name := "single" + s.name
	if half {
		name = "half" + s.name
	}
	e.Begin(name, "factor")
	e.P("MOVQ a+0(FP), AX")
	e.P("MOVQ factor_w(AX), SI")
	e.P("MOVQ factor_mean(AX), R12")
	e.P("MOVQ factor_x(AX), R13")
	e.P("MOVQ factor_y(AX), DI")
	e.P("MOVQ factor_d(AX), CX")
	e.P("LEAQ 15(CX), R8")
	e.P("SHRQ $4, R8")
	e.subtractAMD64(s)
	e.P("LEAQ -1(R8), DX")
	e.P("SHLQ $4, DX")
	e.P("MOVQ CX, R10")
	e.P("SUBQ DX, R10")
	e.P("XORQ R9, R9")
	e.P("")
	e.P("group:")
	e.P("MOVQ DI, DX")
	e.P("MOVQ $16, R11")
	e.P("CMPQ R8, $%d", group)
	e.P("JGT group%d", group)
	e.P("MOVQ R10, R11")
	e.P("JEQ group%d", group)
	for n := group - 1; n > 1; n-- {
		e.P("CMPQ R8, $%d", n)
		e.P("JEQ group%d", n)
	}
	for n := 1; n <= group; n++ {
		e.P("")
		e.P("group%d:", n)
		e.zeroAMD64(s, n)
		e.P("MOVQ R9, CX")
		e.P("TESTQ CX, CX")
		e.P("JZ triangle%d", n)
		e.P("all%d:", n)
		e.columnAMD64(s, half, 0, n)
		e.P("DECQ CX")
		e.P("JNZ all%d", n)
		e.P("triangle%d:", n)
		for k := range n {
			if k == n-1 {
				e.P("MOVQ R11, CX")
			} else {
				e.P("MOVQ $16, CX")
			}
			e.P("from%d_%d:", k, n)
			e.columnAMD64(s, half, k, n)
			e.P("DECQ CX")
			e.P("JNZ from%d_%d", k, n)
		}
		e.endGroupAMD64(s, n)
	}
	e.P("")
	e.P("done:")
	e.P("VZEROUPPER")
	e.P("RET")
}

// subtractAMD64 emits y = x - mean over R8 panels.
func (e emitter) subtractAMD64(s simd) {
	e.P("MOVQ R8, R11")
	e.P("MOVQ DI, DX")
	e.P("subtract:")
	for r := range s.registers() {
		e.P("VMOVUPS %d(R13), %s", r*s.bytes, s.reg(r))
		e.P("VSUBPS %d(R12), %s, %s", r*s.bytes, s.reg(r), s.reg(r))
		e.P("VMOVUPS %s, %d(DX)", s.reg(r), r*s.bytes)
	}
	e.P("ADDQ $64, R13")
	e.P("ADDQ $64, R12")
	e.P("ADDQ $64, DX")
	e.P("DECQ R11")
	e.P("JNZ subtract")
}

// columnAMD64 emits one column of panels k..n-1: product, rounding, sum, rounding.
func (e emitter) columnAMD64(s simd, half bool, k, n int) {
	y := s.spare(0)
	e.P("VBROADCASTSS (DX), %s", y)
	at := 0
	for r := k * s.registers(); r < n*s.registers(); r++ {
		t := s.spare(1 + r%2)
		if half {
			e.P("VCVTPH2PS %d(SI), %s", at, t)
			e.P("VMULPS %s, %s, %s", y, t, t)
			at += s.bytes / 2
		} else {
			e.P("VMULPS %d(SI), %s, %s", at, y, t)
			at += s.bytes
		}
		e.P("VADDPS %s, %s, %s", t, s.reg(r), s.reg(r))
	}
	e.P("ADDQ $%d, SI", at)
	e.P("ADDQ $4, DX")
}

// endGroupAMD64 emits the squares of n panels.
func (e emitter) endGroupAMD64(s simd, n int) {
	for l := range s.registers() {
		e.P("VMOVUPS factor_lane+%d(AX), %s", l*s.bytes, s.spare(l))
	}
	for r := range n * s.registers() {
		lane := s.spare(r % s.registers())
		e.P("VMULPS %s, %s, %s", s.reg(r), s.reg(r), s.reg(r))
		e.P("VADDPS %s, %s, %s", s.reg(r), lane, lane)
	}
	for l := range s.registers() {
		e.P("VMOVUPS %s, factor_lane+%d(AX)", s.spare(l), l*s.bytes)
	}
	if n < group {
		e.P("JMP done")
		return
	}
	e.P("ADDQ $%d, R9", 16*group)
	e.P("SUBQ $%d, R8", group)
	e.P("JG group")
}

// projectAMD64 emits func projectISA(a *project): per group of panels, per pair
// of inputs, 16 pairs of weights a panel.
//
//	SI weights  DI result  BX inputs  DX next pair  CX pairs left  R8 panels left
func (e emitter) projectAMD64(s simd) {
	e.Begin("project"+s.name, "project")
	e.P("MOVQ a+0(FP), AX")
	e.P("MOVQ project_w(AX), SI")
	e.P("MOVQ project_dst(AX), DI")
	e.P("MOVQ project_x(AX), BX")
	e.P("MOVQ project_panels(AX), R8")
	e.P("")
	e.P("group:")
	e.P("MOVQ BX, DX")
	e.P("MOVQ project_pairs(AX), CX")
	e.P("CMPQ R8, $%d", group)
	e.P("JGE group%d", group)
	for n := group - 1; n > 1; n-- {
		e.P("CMPQ R8, $%d", n)
		e.P("JEQ group%d", n)
	}
	for n := 1; n <= group; n++ {
		e.P("")
		e.P("group%d:", n)
		e.zeroAMD64(s, n)
		e.P("pair%d:", n)
		x := s.spare(0)
		e.P("VPBROADCASTD (DX), %s", x)
		for r := range n * s.registers() {
			t := s.spare(1 + r%2)
			e.P("VPMADDWD %d(SI), %s, %s", r*s.bytes, x, t)
			e.P("VPADDD %s, %s, %s", t, s.reg(r), s.reg(r))
		}
		e.P("ADDQ $%d, SI", 64*n)
		e.P("ADDQ $4, DX")
		e.P("DECQ CX")
		e.P("JNZ pair%d", n)
		for r := range n * s.registers() {
			e.P("VMOVUPS %s, %d(DI)", s.reg(r), r*s.bytes)
		}
		if n < group {
			e.P("JMP done")
			continue
		}
		e.P("ADDQ $%d, DI", 64*n)
		e.P("SUBQ $%d, R8", n)
		e.P("JNZ group")
	}
	e.P("")
	e.P("done:")
	e.P("VZEROUPPER")
	e.P("RET")
}

// sum3AMD64 emits func sum3ISA(a *rows): dst = a + b + c, 16 numbers at a time.
func (e emitter) sum3AMD64(s simd) {
	e.rowsAMD64("sum3", s)
	for r := range s.registers() {
		at := r * s.bytes
		e.P("VMOVDQU%s %d(SI), %s", s.wide(), at, s.reg(r))
		e.P("VPADDD %d(DX), %s, %s", at, s.reg(r), s.reg(r))
		e.P("VPADDD %d(BX), %s, %s", at, s.reg(r), s.reg(r))
		e.P("VMOVDQU%s %s, %d(DI)", s.wide(), s.reg(r), at)
	}
	e.endRowsAMD64()
}

// scaled3AMD64 emits func scaled3ISA(a *rows): dst += float32(a+b+c) * f.
func (e emitter) scaled3AMD64(s simd) {
	e.rowsAMD64("scaled3", s)
	for r := range s.registers() {
		at := r * s.bytes
		e.P("VMOVDQU%s %d(SI), %s", s.wide(), at, s.reg(r))
		e.P("VPADDD %d(DX), %s, %s", at, s.reg(r), s.reg(r))
		e.P("VPADDD %d(BX), %s, %s", at, s.reg(r), s.reg(r))
		e.P("VCVTDQ2PS %s, %s", s.reg(r), s.reg(r))
		e.P("VMULPS %d(R8), %s, %s", at, s.reg(r), s.reg(r))
		e.P("VADDPS %d(DI), %s, %s", at, s.reg(r), s.reg(r))
		e.P("VMOVUPS %s, %d(DI)", s.reg(r), at)
	}
	e.P("ADDQ $64, R8")
	e.endRowsAMD64()
}

func (s simd) wide() string {
	if s.bytes == 64 {
		return "32"
	}
	return ""
}

func (e emitter) rowsAMD64(name string, s simd) {
	e.Begin(name+s.name, "rows")
	e.P("MOVQ a+0(FP), AX")
	e.P("MOVQ rows_dst(AX), DI")
	e.P("MOVQ rows_a(AX), SI")
	e.P("MOVQ rows_b(AX), DX")
	e.P("MOVQ rows_c(AX), BX")
	e.P("MOVQ rows_f(AX), R8")
	e.P("MOVQ rows_panels(AX), CX")
	e.P("next:")
}

func (e emitter) endRowsAMD64() {
	for _, r := range []string{"SI", "DX", "BX", "DI"} {
		e.P("ADDQ $64, %s", r)
	}
	e.P("DECQ CX")
	e.P("JNZ next")
	e.P("VZEROUPPER")
	e.P("RET")
}
