package main

import (
	"fmt"

	"cull/internal/asmgen"
)

func (e emitter) fmul2d(d, n, m int) {
	e.Word(asmgen.Three(0x6e60dc00, d, n, m), "fmul v%d.2d, v%d.2d, v%d.2d", d, n, m)
}

func (e emitter) fadd2d(d, n, m int) {
	e.Word(asmgen.Three(0x4e60d400, d, n, m), "fadd v%d.2d, v%d.2d, v%d.2d", d, n, m)
}

func (e emitter) fsub2d(d, n, m int) {
	e.Word(asmgen.Three(0x4ee0d400, d, n, m), "fsub v%d.2d, v%d.2d, v%d.2d", d, n, m)
}

func (e emitter) fdiv2d(d, n, m int) {
	e.Word(asmgen.Three(0x6e60fc00, d, n, m), "fdiv v%d.2d, v%d.2d, v%d.2d", d, n, m)
}

func (e emitter) fsqrt2d(d, n int) {
	e.Word(asmgen.Three(0x6ee1f800, d, n, 0), "fsqrt v%d.2d, v%d.2d", d, n)
}

// On arm64 a vec is four registers, 4v..4v+3.
func quad(v int) string {
	return fmt.Sprintf("[V%d.D2, V%d.D2, V%d.D2, V%d.D2]", 4*v, 4*v+1, 4*v+2, 4*v+3)
}

// mulTo64 emits op(sum, x*t); t is lost.
func (e emitter) mulTo64(op func(d, n, m int), sum, x, t int) {
	for p := range 4 {
		e.fmul2d(4*t+p, 4*x+p, 4*t+p)
	}
	for p := range 4 {
		op(4*sum+p, 4*sum+p, 4*t+p)
	}
}

func (e emitter) clear64(v int) {
	for p := range 4 {
		e.P("VEOR V%d.B16, V%d.B16, V%d.B16", 4*v+p, 4*v+p, 4*v+p)
	}
}

// choleskyARM64 emits func choleskyNEON(a *triangles), four columns at a time.
//
//	R1 row i   R2 64i   R3 64j   R4 R5 R6 R7 rows j..j+3, walking   R8 64k
//	R9 row i, walking   R10 rows left   R11 row j   R12 scratch   R0 L
//	sums V0-V15, x V16-V19, t V20-V23
func (e emitter) choleskyARM64() {
	const x, t = 4, 5
	e.Begin("choleskyNEON", "triangles")
	e.P("MOVD a+0(FP), R12")
	e.P("MOVD triangles_l(R12), R0")
	e.P("MOVD triangles_d(R12), R10")
	e.P("MOVD R0, R1")
	e.P("MOVD $0, R2")
	e.P("row:")
	e.P("MOVD $0, R3")
	e.P("MOVD R0, R11")
	e.P("four:")
	e.P("ADD $256, R3, R12")
	e.P("CMP R2, R12")
	e.P("BGT one")
	e.P("MOVD R11, R4")
	e.P("ADD R3, R4, R5")
	e.P("ADD $64, R5, R5")
	e.P("ADD R3, R5, R6")
	e.P("ADD $128, R6, R6")
	e.P("ADD R3, R6, R7")
	e.P("ADD $192, R7, R7")
	e.P("ADD R3, R7, R11") // row j+4
	e.P("ADD $256, R11, R11")
	e.P("ADD R1, R3, R12")
	for c := range 4 {
		e.P("VLD1.P 64(R12), %s", quad(c))
	}
	e.P("MOVD R1, R9")
	e.P("MOVD R3, R8")
	e.P("CBZ R8, four_end")
	e.P("four_k:")
	e.P("VLD1.P 64(R9), %s", quad(x))
	for c := range 4 {
		e.P("VLD1.P 64(R%d), %s", 4+c, quad(t))
		e.mulTo64(e.fsub2d, c, x, t)
	}
	e.P("SUBS $64, R8, R8")
	e.P("BNE four_k")
	e.P("four_end:")
	e.P("ADD R1, R3, R12")
	for c := range 4 {
		for k := range c {
			e.P("VLD1.P 64(R%d), %s", 4+c, quad(t))
			e.mulTo64(e.fsub2d, c, k, t)
		}
		e.P("VLD1 (R%d), %s", 4+c, quad(t))
		for p := range 4 {
			e.fdiv2d(4*c+p, 4*c+p, 4*t+p)
		}
		e.P("VST1.P %s, 64(R12)", quad(c))
	}
	e.P("ADD $256, R3, R3")
	e.P("B four")
	e.P("one:")
	e.P("CMP R2, R3")
	e.P("BGE diagonal")
	e.columnAlone64(x, t, "one", "R11")
	e.P("VLD1 (R4), %s", quad(t))
	for p := range 4 {
		e.fdiv2d(p, p, 4*t+p)
	}
	e.P("VST1 %s, (R12)", quad(0))
	e.P("ADD R3, R11, R11")
	e.P("ADD $64, R11, R11")
	e.P("ADD $64, R3, R3")
	e.P("B one")
	e.P("diagonal:")
	e.columnAlone64(x, t, "diagonal", "R1")
	for p := range 4 {
		e.fsqrt2d(p, p)
	}
	e.P("VST1 %s, (R12)", quad(0))
	e.P("ADD R2, R1, R1")
	e.P("ADD $64, R1, R1")
	e.P("ADD $64, R2, R2")
	e.P("SUBS $1, R10, R10")
	e.P("BNE row")
	e.P("RET")
}

// columnAlone64 emits sum 0 = (i, j) - sum over k < j of row i times the row r;
// then R12 is at (i, j) and R4 at element j of r.
func (e emitter) columnAlone64(x, t int, label, r string) {
	e.P("ADD R1, R3, R12")
	e.P("VLD1 (R12), %s", quad(0))
	e.P("MOVD R1, R9")
	e.P("MOVD %s, R4", r)
	e.P("MOVD R3, R8")
	e.P("CBZ R8, %s_end", label)
	e.P("%s_k:", label)
	e.P("VLD1.P 64(R9), %s", quad(x))
	e.P("VLD1.P 64(R4), %s", quad(t))
	e.mulTo64(e.fsub2d, 0, x, t)
	e.P("SUBS $64, R8, R8")
	e.P("BNE %s_k", label)
	e.P("%s_end:", label)
}

// invertARM64 emits func invertNEON(a *triangles), four columns at a time.
//
//	R1 row i of L  R2 64i  R3 64j  R4 row i of W  R5 row j of W  R6 (k, j) of W
//	R7 (i, k) of L R8 64k  R9 walking from R6     R10 rows left  R0 W
func (e emitter) invertARM64() {
	e.Begin("invertNEON", "triangles")
	e.P("MOVD a+0(FP), R12")
	e.P("MOVD triangles_w(R12), R0")
	e.P("MOVD triangles_l(R12), R1")
	e.P("MOVD triangles_d(R12), R10")
	e.P("MOVD R0, R4")
	e.P("MOVD $0, R2")
	e.P("row:")
	e.P("MOVD $0, R3")
	e.P("MOVD R0, R5")
	e.P("four:")
	e.P("ADD $256, R3, R12")
	e.P("CMP R2, R12")
	e.P("BGT one")
	for c := range 4 {
		e.clear64(c)
	}
	e.startInverse64()
	for k := range 3 {
		e.inverseTerm64(k + 1)
	}
	e.P("four_k:")
	e.inverseTerm64(4)
	e.P("CMP R2, R8")
	e.P("BLT four_k")
	for c := range 4 {
		e.negateDivide64(c)
	}
	e.P("ADD R3<<2, R5, R5")
	e.P("ADD $640, R5, R5")
	e.P("ADD $256, R3, R3")
	e.P("B four")
	e.P("one:")
	e.P("CMP R2, R3")
	e.P("BGE diagonal")
	e.clear64(0)
	e.startInverse64()
	e.P("one_k:")
	e.inverseTerm64(1)
	e.P("CMP R2, R8")
	e.P("BLT one_k")
	e.negateDivide64(0)
	e.P("ADD R3, R5, R5")
	e.P("ADD $64, R5, R5")
	e.P("ADD $64, R3, R3")
	e.P("B one")
	e.P("diagonal:")
	e.P("MOVD $0x3ff0000000000000, R12")
	for p := range 4 {
		e.P("VDUP R12, V%d.D2", p)
	}
	e.P("ADD R1, R2, R12")
	e.P("VLD1 (R12), %s", quad(5))
	for p := range 4 {
		e.fdiv2d(p, p, 20+p)
	}
	e.P("ADD R4, R2, R12")
	e.P("VST1 %s, (R12)", quad(0))
	e.P("ADD R2, R1, R1")
	e.P("ADD $64, R1, R1")
	e.P("ADD R2, R4, R4")
	e.P("ADD $64, R4, R4")
	e.P("ADD $64, R2, R2")
	e.P("SUBS $1, R10, R10")
	e.P("BNE row")
	e.P("RET")
}

// startInverse64 points R6, R7 and R8 at k = j and R11 at (i, j) of W.
func (e emitter) startInverse64() {
	e.P("ADD R5, R3, R6")
	e.P("ADD R1, R3, R7")
	e.P("MOVD R3, R8")
	e.P("ADD R4, R3, R11")
}

// inverseTerm64 emits the term k of n columns and steps to k+1.
func (e emitter) inverseTerm64(n int) {
	e.P("VLD1.P 64(R7), %s", quad(4))
	e.P("MOVD R6, R9")
	for c := range n {
		e.P("VLD1.P 64(R9), %s", quad(5))
		e.mulTo64(e.fadd2d, c, 4, 5)
	}
	e.P("ADD R8, R6, R6")
	e.P("ADD $64, R6, R6")
	e.P("ADD $64, R8, R8")
}

// negateDivide64 emits W = (0 - sum) / L[i][i], stored at R11.
func (e emitter) negateDivide64(c int) {
	e.P("ADD R1, R2, R12")
	e.P("VLD1 (R12), %s", quad(5))
	e.clear64(4)
	for p := range 4 {
		e.fsub2d(4*c+p, 16+p, 4*c+p)
		e.fdiv2d(4*c+p, 4*c+p, 20+p)
	}
	e.P("VST1.P %s, 64(R11)", quad(c))
}
