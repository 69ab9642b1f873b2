package main

import "cull/internal/asmgen"

// The kernels of one factor for many vectors: per panel of 16 rows the sums of all vectors stay in registers while the
// panel's columns are read once. Its columns are a multiple of 16 in number, so that loops take four.
const (
	vectorsAMD64 = 6 // 12 sums, a column in 2 registers, 1 element of a vector, 1 product
	vectorsARM64 = 4 // 16 sums, a column in 4, four elements of each vector in 4, 8 products
)

// sharedAMD64 emits func sharedAVX2(a *shared).
//
//	AX  shared      SI  w    DI  y    R8  panels left   R9  columns of the panel
//	R10 bytes of a vector    DX  next element of vector 0   BX  of vector 3
func (e emitter) sharedAMD64() {
	e.Begin("sharedAVX2", "shared")
	e.P("MOVQ a+0(FP), AX")
	e.P("MOVQ shared_w(AX), SI")
	e.P("MOVQ shared_mean(AX), R12")
	e.P("MOVQ shared_x(AX), R13")
	e.P("MOVQ shared_y(AX), DI")
	e.P("MOVQ shared_panels(AX), R8")
	e.P("MOVQ shared_n(AX), R9")
	e.P("MOVQ DI, DX")
	e.P("vector:")
	e.P("MOVQ R12, BX")
	e.P("MOVQ R8, CX")
	e.P("subtract:")
	for r := range 2 {
		e.P("VMOVUPS %d(R13), Y%d", 32*r, r)
		e.P("VSUBPS %d(BX), Y%d, Y%d", 32*r, r, r)
		e.P("VMOVUPS Y%d, %d(DX)", r, 32*r)
	}
	for _, r := range []string{"R13", "BX", "DX"} {
		e.P("ADDQ $64, %s", r)
	}
	e.P("DECQ CX")
	e.P("JNZ subtract")
	e.P("DECQ R9")
	e.P("JNZ vector")
	e.P("MOVQ R8, R10")
	e.P("SHLQ $6, R10")
	e.P("MOVQ $16, R9")
	e.P("")
	e.P("panel:")
	e.P("MOVQ DI, DX")
	e.P("LEAQ (R10)(R10*2), BX")
	e.P("ADDQ DI, BX")
	e.P("MOVQ R9, CX")
	for r := range 2 * vectorsAMD64 {
		e.P("VXORPS Y%d, Y%d, Y%d", r, r, r)
	}
	e.P("columns:")
	element := [vectorsAMD64]string{"(DX)", "(DX)(R10*1)", "(DX)(R10*2)", "(BX)", "(BX)(R10*1)", "(BX)(R10*2)"}
	for j := range 4 {
		e.P("VMOVUPS %d(SI), Y12", 64*j)
		e.P("VMOVUPS %d(SI), Y13", 64*j+32)
		for v := range vectorsAMD64 {
			e.P("VBROADCASTSS %d%s, Y14", 4*j, element[v])
			e.P("VMULPS Y12, Y14, Y15")
			e.P("VADDPS Y15, Y%d, Y%d", 2*v, 2*v)
			e.P("VMULPS Y13, Y14, Y14")
			e.P("VADDPS Y14, Y%d, Y%d", 2*v+1, 2*v+1)
		}
	}
	e.P("ADDQ $256, SI")
	e.P("ADDQ $16, DX")
	e.P("ADDQ $16, BX")
	e.P("SUBQ $4, CX")
	e.P("JNZ columns")
	for r := range 2 * vectorsAMD64 {
		e.P("VMULPS Y%d, Y%d, Y%d", r, r, r)
		e.P("VADDPS shared_lane+%d(AX), Y%d, Y%d", 32*r, r, r)
		e.P("VMOVUPS Y%d, shared_lane+%d(AX)", r, 32*r)
	}
	e.P("ADDQ $16, R9")
	e.P("DECQ R8")
	e.P("JNZ panel")
	e.P("VZEROUPPER")
	e.P("RET")
}

// sharedARM64 emits func sharedNEON(a *shared).
//
//	R0 shared   R1 w   R2 y   R4 panels left   R5 vectors to subtract from   R6 bytes of a vector
//	R7 columns of the panel, in fours   R9 left of them   R12..R15 next elements of the vectors
func (e emitter) sharedARM64() {
	e.Begin("sharedNEON", "shared")
	e.P("MOVD a+0(FP), R0")
	e.P("MOVD shared_w(R0), R1")
	e.P("MOVD shared_mean(R0), R8")
	e.P("MOVD shared_x(R0), R11")
	e.P("MOVD shared_y(R0), R2")
	e.P("MOVD shared_panels(R0), R4")
	e.P("MOVD shared_n(R0), R5")
	e.P("MOVD R2, R3")
	e.P("vector:")
	e.P("MOVD R8, R10")
	e.P("MOVD R4, R9")
	e.P("subtract:")
	e.P("VLD1.P 64(R11), [V0.S4, V1.S4, V2.S4, V3.S4]")
	e.P("VLD1.P 64(R10), [V4.S4, V5.S4, V6.S4, V7.S4]")
	for r := range 4 {
		e.fsub(r, r, 4+r)
	}
	e.P("VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R3)")
	e.P("SUBS $1, R9, R9")
	e.P("BNE subtract")
	e.P("SUBS $1, R5, R5")
	e.P("BNE vector")
	e.P("LSL $6, R4, R6")
	e.P("MOVD $4, R7")
	e.P("")
	e.P("panel:")
	e.P("MOVD R2, R12")
	for v := 1; v < vectorsARM64; v++ {
		e.P("ADD R6, R%d, R%d", 11+v, 12+v)
	}
	e.P("MOVD R7, R9")
	e.zeroARM64(vectorsARM64)
	e.P("columns:")
	for v := range vectorsARM64 {
		e.P("VLD1.P 16(R%d), [V%d.S4]", 12+v, 20+v)
	}
	for j := range 4 {
		e.P("VLD1.P 64(R1), [V16.S4, V17.S4, V18.S4, V19.S4]")
		for v := range vectorsARM64 {
			product := 24 + 4*(v%2)
			for r := range 4 {
				e.fmulElement(product+r, 16+r, 20+v, j)
			}
			for r := range 4 {
				e.Fadd4s(4*v+r, 4*v+r, product+r)
			}
		}
	}
	e.P("SUBS $1, R9, R9")
	e.P("BNE columns")
	e.P("ADD $shared_lane, R0, R10")
	for v := range vectorsARM64 {
		e.P("VLD1 (R10), [V24.S4, V25.S4, V26.S4, V27.S4]")
		for r := range 4 {
			e.Fmul4s(4*v+r, 4*v+r, 4*v+r)
		}
		for r := range 4 {
			e.Fadd4s(24+r, 24+r, 4*v+r)
		}
		e.P("VST1.P [V24.S4, V25.S4, V26.S4, V27.S4], 64(R10)")
	}
	e.P("ADD $4, R7, R7")
	e.P("SUBS $1, R4, R4")
	e.P("BNE panel")
	e.P("RET")
}

func (e emitter) fmulElement(d, n, m, i int) {
	e.Word(asmgen.Three(0x4f809000, d, n, m)|uint32(i&1)<<21|uint32(i>>1)<<11, "fmul v%d.4s, v%d.4s, v%d.s[%d]", d, n, m, i)
}
