//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// STRENGTH writes eight pixels of an orientation, whose second derivative is OP of V0 and V.
#define STRENGTH(OP, V) \
	OP V.H8, V0.H8, V6.H8; \
	WORD $0x6e63b4c6; \ // sqrdmulh v6.8h, v6.8h, v3.8h
	WORD $0x2e2128c6; \ // sqxtun v6.8b, v6.8h
	FMOVD F6, (R10); \
	ADD R2, R10

// func applyColumn(a *column)
TEXT ·applyColumn(SB), NOSPLIT, $0-8
	MOVD a+0(FP), R0
	MOVD column_dst(R0), R1
	MOVD column_blocks(R0), R2
	MOVD (column_rows+0)(R0), R3
	MOVD (column_rows+8)(R0), R4
	MOVD (column_rows+16)(R0), R5
	MOVD (column_rows+24)(R0), R6
	MOVD (column_rows+32)(R0), R7
loop:
	FMOVD.P 8(R3), F0
	FMOVD.P 8(R4), F1
	FMOVD.P 8(R5), F2
	FMOVD.P 8(R6), F3
	FMOVD.P 8(R7), F4
	WORD $0x2e240000 // uaddl v0.8h, v0.8b, v4.8b
	WORD $0x2e230021 // uaddl v1.8h, v1.8b, v3.8b
	VUADDW V2.B8, V1.H8, V1.H8
	VSHL $2, V1.H8, V1.H8
	VUADDW V2.B8, V0.H8, V0.H8
	VUADDW V2.B8, V0.H8, V0.H8
	VADD V1.H8, V0.H8, V0.H8
	VST1.P [V0.H8], 16(R1)
	SUBS $1, R2
	BNE loop
	RET

// func applyRow(a *row)
TEXT ·applyRow(SB), NOSPLIT, $0-8
	MOVD a+0(FP), R0
	MOVD row_dst(R0), R1
	MOVD row_src(R0), R2
	MOVD row_blocks(R0), R3
loop:
	FMOVQ 2(R2), F1
	FMOVQ 4(R2), F2
	FMOVQ 6(R2), F3
	FMOVQ 8(R2), F4
	VLD1.P 16(R2), [V0.H8]
	VADD V4.H8, V0.H8, V0.H8
	VADD V3.H8, V1.H8, V1.H8
	VADD V2.H8, V1.H8, V1.H8
	VSHL $2, V1.H8, V1.H8
	VADD V2.H8, V0.H8, V0.H8
	VADD V2.H8, V0.H8, V0.H8
	VADD V1.H8, V0.H8, V0.H8
	VUSHR $3, V0.H8, V0.H8
	VST1.P [V0.H8], 16(R1)
	SUBS $1, R3
	BNE loop
	RET

// func applyCurve(a *curve)
TEXT ·applyCurve(SB), NOSPLIT, $0-8
	MOVD a+0(FP), R0
	MOVD curve_sum(R0), R1
	MOVD curve_difference(R0), R2
	MOVD curve_mixed(R0), R3
	MOVD curve_energy(R0), R4
	MOVD curve_blocks(R0), R5
	MOVD (curve_rows+0)(R0), R6
	MOVD (curve_rows+8)(R0), R7
	MOVD (curve_rows+16)(R0), R8
	MOVD (curve_rows+24)(R0), R9
	MOVD (curve_rows+32)(R0), R10
	ADD $4, R6
	ADD $4, R10
loop:
	FMOVQ 4(R8), F5
	FMOVQ 8(R8), F1
	VLD1.P 16(R8), [V0.H8]
	VADD V5.H8, V5.H8, V5.H8 // the pixel, twice
	VADD V1.H8, V0.H8, V0.H8
	VSUB V5.H8, V0.H8, V0.H8 // along x
	VLD1.P 16(R6), [V1.H8]
	VLD1.P 16(R10), [V2.H8]
	VADD V2.H8, V1.H8, V1.H8
	VSUB V5.H8, V1.H8, V1.H8 // along y
	FMOVQ 2(R7), F2
	FMOVQ 6(R7), F3
	FMOVQ 6(R9), F4
	FMOVQ 2(R9), F5
	ADD $16, R7
	ADD $16, R9
	VADD V4.H8, V2.H8, V2.H8
	VADD V5.H8, V3.H8, V3.H8
	VSUB V3.H8, V2.H8, V2.H8
	VADD V2.H8, V2.H8, V2.H8 // mixed
	VSUB V1.H8, V0.H8, V3.H8 // difference
	VADD V1.H8, V0.H8, V0.H8 // sum
	VST1.P [V0.H8], 16(R1)
	VST1.P [V3.H8], 16(R2)
	VST1.P [V2.H8], 16(R3)
	WORD $0x4f1e0400 // sshr v0.8h, v0.8h, #2
	WORD $0x4f1e0463 // sshr v3.8h, v3.8h, #2
	WORD $0x4f1e0442 // sshr v2.8h, v2.8h, #2
	WORD $0x0e60c006 // smull v6.4s, v0.4h, v0.4h
	WORD $0x4e60c007 // smull2 v7.4s, v0.8h, v0.8h
	VADD V6.S4, V6.S4, V6.S4
	VADD V7.S4, V7.S4, V7.S4
	WORD $0x0e638066 // smlal v6.4s, v3.4h, v3.4h
	WORD $0x4e638067 // smlal2 v7.4s, v3.8h, v3.8h
	WORD $0x0e628046 // smlal v6.4s, v2.4h, v2.4h
	WORD $0x4e628047 // smlal2 v7.4s, v2.8h, v2.8h
	VADDP V7.S4, V6.S4, V6.S4 // pairs of pixels
	VLD1 (R4), [V1.S4]
	VADD V1.S4, V6.S4, V6.S4
	VST1.P [V6.S4], 16(R4)
	SUBS $1, R5
	BNE loop
	RET

// func applyStrengths(a *strengths)
TEXT ·applyStrengths(SB), NOSPLIT, $0-8
	MOVD a+0(FP), R0
	MOVD strengths_dst(R0), R1
	MOVD strengths_step(R0), R2
	MOVD strengths_sum(R0), R3
	MOVD strengths_difference(R0), R4
	MOVD strengths_mixed(R0), R5
	MOVD strengths_gain(R0), R6
	MOVD strengths_blocks(R0), R7
	MOVD $const_half, R8
	VDUP R8, V8.H8
loop:
	VLD1.P 16(R3), [V0.H8]
	VLD1.P 16(R4), [V1.H8]
	VLD1.P 16(R5), [V2.H8]
	VLD1.P 16(R6), [V3.H8]
	VADD V1.H8, V2.H8, V4.H8
	VSUB V1.H8, V2.H8, V5.H8
	WORD $0x6e68b484 // sqrdmulh v4.8h, v4.8h, v8.8h
	WORD $0x6e68b4a5 // sqrdmulh v5.8h, v5.8h, v8.8h
	MOVD R1, R10
	STRENGTH(VSUB, V1)
	STRENGTH(VSUB, V4)
	STRENGTH(VSUB, V2)
	STRENGTH(VSUB, V5)
	STRENGTH(VADD, V1)
	STRENGTH(VADD, V4)
	STRENGTH(VADD, V2)
	STRENGTH(VADD, V5)
	ADD $8, R1
	SUBS $1, R7
	BNE loop
	RET

// func applyMean(a *mean)
TEXT ·applyMean(SB), NOSPLIT, $0-8
	MOVD a+0(FP), R0
	MOVD mean_dst(R0), R1
	MOVD mean_blocks(R0), R2
	MOVD (mean_from+0)(R0), R3
	MOVD (mean_from+8)(R0), R4
	MOVD (mean_from+16)(R0), R5
	MOVD (mean_from+24)(R0), R6
loop:
	VLD1.P 16(R3), [V0.B16]
	VLD1.P 16(R4), [V1.B16]
	VLD1.P 16(R5), [V2.B16]
	VLD1.P 16(R6), [V3.B16]
	WORD $0x6e211400 // urhadd v0.16b, v0.16b, v1.16b
	WORD $0x6e231442 // urhadd v2.16b, v2.16b, v3.16b
	WORD $0x6e221400 // urhadd v0.16b, v0.16b, v2.16b
	VST1.P [V0.B16], 16(R1)
	SUBS $1, R2
	BNE loop
	RET

// func applyExcess(a *excess)
TEXT ·applyExcess(SB), NOSPLIT, $0-8
	MOVD a+0(FP), R0
	MOVD excess_dst(R0), R9
	MOVD excess_blocks(R0), R10
	MOVD (excess_from+0)(R0), R1
	MOVD (excess_from+8)(R0), R2
	MOVD (excess_from+16)(R0), R3
	MOVD (excess_from+24)(R0), R4
	MOVD (excess_from+32)(R0), R5
	MOVD (excess_from+40)(R0), R6
	MOVD (excess_from+48)(R0), R7
	MOVD (excess_from+56)(R0), R8
loop:
	VLD1.P 16(R1), [V0.B16]
	VLD1.P 16(R2), [V1.B16]
	VLD1.P 16(R3), [V2.B16]
	VLD1.P 16(R4), [V3.B16]
	VLD1.P 16(R5), [V4.B16]
	VLD1.P 16(R6), [V5.B16]
	VLD1.P 16(R7), [V6.B16]
	VLD1.P 16(R8), [V7.B16]
	WORD $0x6e241410 // urhadd v16.16b, v0.16b, v4.16b
	WORD $0x6e261451 // urhadd v17.16b, v2.16b, v6.16b
	WORD $0x6e251432 // urhadd v18.16b, v1.16b, v5.16b
	WORD $0x6e271473 // urhadd v19.16b, v3.16b, v7.16b
	WORD $0x6e311610 // urhadd v16.16b, v16.16b, v17.16b
	WORD $0x6e331652 // urhadd v18.16b, v18.16b, v19.16b
	WORD $0x6e321610 // urhadd v16.16b, v16.16b, v18.16b
	VUMAX V4.B16, V0.B16, V0.B16
	VUMAX V6.B16, V2.B16, V2.B16
	VUMAX V5.B16, V1.B16, V1.B16
	VUMAX V7.B16, V3.B16, V3.B16
	VUMAX V2.B16, V0.B16, V0.B16
	VUMAX V3.B16, V1.B16, V1.B16
	VUMAX V1.B16, V0.B16, V0.B16
	VSUB V16.B16, V0.B16, V0.B16
	VUSHR $1, V0.B16, V0.B16
	VLD1 (R9), [V1.B16]
	VUMAX V1.B16, V0.B16, V0.B16
	VST1.P [V0.B16], 16(R9)
	SUBS $1, R10
	BNE loop
	RET
