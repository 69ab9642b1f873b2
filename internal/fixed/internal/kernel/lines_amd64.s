//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// BINOMIAL leaves Y0 + 4 Y1 + 6 Y2 + 4 Y3 + Y4 in Y0, sixteen words.
#define BINOMIAL \
	VPADDW Y4, Y0, Y0; \
	VPADDW Y3, Y1, Y1; \
	VPADDW Y2, Y1, Y1; \
	VPSLLW $2, Y1, Y1; \
	VPADDW Y2, Y2, Y2; \
	VPADDW Y1, Y0, Y0; \
	VPADDW Y2, Y0, Y0

// ENERGY adds the squares of sixteen words, a quarter of them each, to the eight sums in Y7.
#define ENERGY(V) \
	VPSRAW $2, V, V; \
	VPMADDWD V, V, V; \
	VPADDD V, Y7, Y7

// STRENGTH writes sixteen pixels of an orientation, whose second derivative is OP of Y0 and V.
#define STRENGTH(OP, V) \
	OP V, Y0, Y6; \
	VPMULHRSW Y3, Y6, Y6; \
	VPACKUSWB Y6, Y6, Y6; \
	VPERMQ $8, Y6, Y6; \
	VMOVDQU X6, (DX); \
	ADDQ R9, DX

// func applyColumn(a *column)
TEXT ·applyColumn(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DI
	MOVQ column_dst(DI), AX
	MOVQ column_blocks(DI), CX
	MOVQ (column_rows+0)(DI), R8
	MOVQ (column_rows+8)(DI), R9
	MOVQ (column_rows+16)(DI), R10
	MOVQ (column_rows+24)(DI), R11
	MOVQ (column_rows+32)(DI), R12
	XORQ DI, DI
loop:
	VPMOVZXBW (R8)(DI*1), Y0
	VPMOVZXBW (R9)(DI*1), Y1
	VPMOVZXBW (R10)(DI*1), Y2
	VPMOVZXBW (R11)(DI*1), Y3
	VPMOVZXBW (R12)(DI*1), Y4
	BINOMIAL
	VMOVDQU Y0, (AX)(DI*2)
	ADDQ $16, DI
	DECQ CX
	JNE loop
	VZEROUPPER
	RET

// func applyRow(a *row)
TEXT ·applyRow(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DI
	MOVQ row_dst(DI), AX
	MOVQ row_src(DI), BX
	MOVQ row_blocks(DI), CX
loop:
	VMOVDQU 0(BX), Y0
	VMOVDQU 2(BX), Y1
	VMOVDQU 4(BX), Y2
	VMOVDQU 6(BX), Y3
	VMOVDQU 8(BX), Y4
	BINOMIAL
	VPSRLW $3, Y0, Y0
	VMOVDQU Y0, (AX)
	ADDQ $32, AX
	ADDQ $32, BX
	DECQ CX
	JNE loop
	VZEROUPPER
	RET

// func applyCurve(a *curve)
TEXT ·applyCurve(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DI
	MOVQ curve_sum(DI), AX
	MOVQ curve_difference(DI), BX
	MOVQ curve_mixed(DI), DX
	MOVQ curve_energy(DI), SI
	MOVQ curve_blocks(DI), CX
	MOVQ (curve_rows+0)(DI), R8
	MOVQ (curve_rows+8)(DI), R9
	MOVQ (curve_rows+16)(DI), R10
	MOVQ (curve_rows+24)(DI), R11
	MOVQ (curve_rows+32)(DI), R12
	XORQ DI, DI
loop:
	VMOVDQU 4(R10)(DI*2), Y5
	VPADDW Y5, Y5, Y5 // the pixel, twice
	VMOVDQU 0(R10)(DI*2), Y0
	VPADDW 8(R10)(DI*2), Y0, Y0
	VPSUBW Y5, Y0, Y0 // along x
	VMOVDQU 4(R8)(DI*2), Y1
	VPADDW 4(R12)(DI*2), Y1, Y1
	VPSUBW Y5, Y1, Y1 // along y
	VMOVDQU 2(R9)(DI*2), Y2
	VPADDW 6(R11)(DI*2), Y2, Y2
	VPSUBW 6(R9)(DI*2), Y2, Y2
	VPSUBW 2(R11)(DI*2), Y2, Y2
	VPADDW Y2, Y2, Y2 // mixed
	VPSUBW Y1, Y0, Y3 // difference
	VPADDW Y1, Y0, Y0 // sum
	VMOVDQU Y0, (AX)(DI*2)
	VMOVDQU Y3, (BX)(DI*2)
	VMOVDQU Y2, (DX)(DI*2)
	VPSRAW $2, Y0, Y0
	VPMADDWD Y0, Y0, Y7
	VPADDD Y7, Y7, Y7
	ENERGY(Y3)
	ENERGY(Y2)
	VPADDD (SI)(DI*2), Y7, Y7
	VMOVDQU Y7, (SI)(DI*2)
	ADDQ $16, DI
	DECQ CX
	JNE loop
	VZEROUPPER
	RET

// func applyStrengths(a *strengths)
TEXT ·applyStrengths(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DI
	MOVQ strengths_dst(DI), AX
	MOVQ strengths_step(DI), R9
	MOVQ strengths_sum(DI), R10
	MOVQ strengths_difference(DI), R11
	MOVQ strengths_mixed(DI), R12
	MOVQ strengths_gain(DI), R13
	MOVQ strengths_blocks(DI), CX
	MOVL $const_half, DX
	VMOVD DX, X8
	VPBROADCASTW X8, Y8
	XORQ DI, DI
loop:
	VMOVDQU (R10)(DI*2), Y0
	VMOVDQU (R11)(DI*2), Y1
	VMOVDQU (R12)(DI*2), Y2
	VMOVDQU (R13)(DI*2), Y3
	VPADDW Y1, Y2, Y4
	VPMULHRSW Y8, Y4, Y4
	VPSUBW Y1, Y2, Y5
	VPMULHRSW Y8, Y5, Y5
	LEAQ (AX)(DI*1), DX
	STRENGTH(VPSUBW, Y1)
	STRENGTH(VPSUBW, Y4)
	STRENGTH(VPSUBW, Y2)
	STRENGTH(VPSUBW, Y5)
	STRENGTH(VPADDW, Y1)
	STRENGTH(VPADDW, Y4)
	STRENGTH(VPADDW, Y2)
	STRENGTH(VPADDW, Y5)
	ADDQ $16, DI
	DECQ CX
	JNE loop
	VZEROUPPER
	RET

// func applyMean(a *mean)
TEXT ·applyMean(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DI
	MOVQ mean_dst(DI), AX
	MOVQ mean_blocks(DI), CX
	MOVQ (mean_from+0)(DI), R8
	MOVQ (mean_from+8)(DI), R9
	MOVQ (mean_from+16)(DI), R10
	MOVQ (mean_from+24)(DI), R11
	XORQ DI, DI
loop:
	VMOVDQU (R8)(DI*1), Y0
	VMOVDQU (R10)(DI*1), Y1
	VPAVGB (R9)(DI*1), Y0, Y0
	VPAVGB (R11)(DI*1), Y1, Y1
	VPAVGB Y1, Y0, Y0
	VMOVDQU Y0, (AX)(DI*1)
	ADDQ $32, DI
	DECQ CX
	JNE loop
	VZEROUPPER
	RET

// func applyExcess(a *excess)
TEXT ·applyExcess(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DI
	MOVQ excess_dst(DI), R8
	MOVQ excess_blocks(DI), CX
	MOVQ (excess_from+0)(DI), AX
	MOVQ (excess_from+8)(DI), BX
	MOVQ (excess_from+16)(DI), DX
	MOVQ (excess_from+24)(DI), SI
	MOVQ (excess_from+32)(DI), R9
	MOVQ (excess_from+40)(DI), R10
	MOVQ (excess_from+48)(DI), R11
	MOVQ (excess_from+56)(DI), R12
	VPCMPEQB Y15, Y15, Y15
	VPABSB Y15, Y15
	VPSLLW $7, Y15, Y14
	VPSUBB Y15, Y14, Y15 // 127
	XORQ DI, DI
loop:
	VMOVDQU (AX)(DI*1), Y0
	VMOVDQU (BX)(DI*1), Y1
	VMOVDQU (DX)(DI*1), Y2
	VMOVDQU (SI)(DI*1), Y3
	VMOVDQU (R9)(DI*1), Y4
	VMOVDQU (R10)(DI*1), Y5
	VMOVDQU (R11)(DI*1), Y6
	VMOVDQU (R12)(DI*1), Y7
	VPAVGB Y4, Y0, Y8
	VPAVGB Y6, Y2, Y9
	VPAVGB Y5, Y1, Y10
	VPAVGB Y7, Y3, Y11
	VPAVGB Y9, Y8, Y8
	VPAVGB Y11, Y10, Y10
	VPAVGB Y10, Y8, Y8 // mean
	VPMAXUB Y4, Y0, Y0
	VPMAXUB Y6, Y2, Y2
	VPMAXUB Y5, Y1, Y1
	VPMAXUB Y7, Y3, Y3
	VPMAXUB Y2, Y0, Y0
	VPMAXUB Y3, Y1, Y1
	VPMAXUB Y1, Y0, Y0 // largest
	VPSUBB Y8, Y0, Y0
	VPSRLW $1, Y0, Y0
	VPAND Y15, Y0, Y0
	VPMAXUB (R8)(DI*1), Y0, Y0
	VMOVDQU Y0, (R8)(DI*1)
	ADDQ $32, DI
	DECQ CX
	JNE loop
	VZEROUPPER
	RET
