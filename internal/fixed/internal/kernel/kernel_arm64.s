//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// What a pair of directions has in common: V20 and V21, eight words each, shifted down, to bytes of at most 127.
#define PAIR(SHIFT, TO, FROM) \
	VUSHR SHIFT, V20.H8, V20.H8; \
	VUSHR SHIFT, V21.H8, V21.H8; \
	WORD $0x2e214a94; \ // uqxtn v20.8b, v20.8h
	WORD $0x2e214ab5; \ // uqxtn v21.8b, v21.8h
	VUMIN V31.B8, V20.B8, V20.B8; \
	VUMIN V31.B8, V21.B8, V21.B8; \
	FMOVD.P F20, 8(TO); \
	FMOVD.P F21, 8(FROM)

// A diagonal: V22 - V23 and back, times 23.
#define ACROSS(TO, FROM) \
	WORD $0x6e772ed4; \ // uqsub v20.8h, v22.8h, v23.8h
	WORD $0x6e762ef5; \ // uqsub v21.8h, v23.8h, v22.8h
	WORD $0x4e7e9e94; \ // mul v20.8h, v20.8h, v30.8h
	WORD $0x4e7e9eb5; \ // mul v21.8h, v21.8h, v30.8h
	PAIR($7, TO, FROM)

// func applyGrey(a *grey)
TEXT ·applyGrey(SB), NOSPLIT, $0-8
	MOVD a+0(FP), R0
	MOVD grey_dst(R0), R1
	MOVD grey_src(R0), R2
	MOVD grey_blocks(R0), R3
	MOVD $10923, R4 // doubled by sqdmulh: 65536/3, rounded up
	VDUP R4, V30.H8
	VMOVI $127, V31.B16
loop:
	VLD3.P 48(R2), [V0.B16, V1.B16, V2.B16]
	VADD V31.B16, V0.B16, V0.B16
	VADD V31.B16, V1.B16, V1.B16
	VADD V31.B16, V2.B16, V2.B16
	WORD $0x2e210004 // uaddl v4.8h, v0.8b, v1.8b
	WORD $0x6e210005 // uaddl2 v5.8h, v0.16b, v1.16b
	VUADDW V2.B8, V4.H8, V4.H8
	VUADDW2 V2.B16, V5.H8, V5.H8
	WORD $0x4e7eb484 // sqdmulh v4.8h, v4.8h, v30.8h
	WORD $0x4e7eb4a5 // sqdmulh v5.8h, v5.8h, v30.8h
	VUZP1 V5.B16, V4.B16, V4.B16
	VST1.P [V4.B16], 16(R1)
	SUBS $1, R3
	BNE loop
	RET

// func applySobel(a *sobel)
TEXT ·applySobel(SB), NOSPLIT, $0-8
	MOVD a+0(FP), R0
	MOVD (sobel_to+0)(R0), R1
	MOVD (sobel_to+8)(R0), R2
	MOVD (sobel_to+16)(R0), R3
	MOVD (sobel_to+24)(R0), R4
	MOVD (sobel_to+32)(R0), R5
	MOVD (sobel_to+40)(R0), R6
	MOVD (sobel_to+48)(R0), R7
	MOVD (sobel_to+56)(R0), R8
	MOVD sobel_up(R0), R9
	MOVD sobel_mid(R0), R10
	MOVD sobel_down(R0), R11
	MOVD sobel_blocks(R0), R12
	MOVD $23, R0
	VDUP R0, V30.H8
	VMOVI $127, V31.B16
loop:
	FMOVD 1(R9), F1
	FMOVD 2(R9), F2
	FMOVD.P 8(R9), F0 // north-west
	FMOVD 2(R10), F4
	FMOVD.P 8(R10), F3 // west
	FMOVD 1(R11), F6
	FMOVD 2(R11), F7
	FMOVD.P 8(R11), F5 // south-west
	// west, east, north, south
	WORD $0x2e250010 // uaddl v16.8h, v0.8b, v5.8b
	WORD $0x2e270051 // uaddl v17.8h, v2.8b, v7.8b
	WORD $0x2e220012 // uaddl v18.8h, v0.8b, v2.8b
	WORD $0x2e2700b3 // uaddl v19.8h, v5.8b, v7.8b
	VUADDW V3.B8, V16.H8, V16.H8
	VUADDW V4.B8, V17.H8, V17.H8
	VUADDW V1.B8, V18.H8, V18.H8
	VUADDW V6.B8, V19.H8, V19.H8
	VUADDW V3.B8, V16.H8, V16.H8
	VUADDW V4.B8, V17.H8, V17.H8
	VUADDW V1.B8, V18.H8, V18.H8
	VUADDW V6.B8, V19.H8, V19.H8
	WORD $0x6e702e34 // uqsub v20.8h, v17.8h, v16.8h
	WORD $0x6e712e15 // uqsub v21.8h, v16.8h, v17.8h
	PAIR($2, R1, R5)
	VADD V17.H8, V19.H8, V22.H8
	VADD V16.H8, V18.H8, V23.H8
	ACROSS(R2, R6)
	WORD $0x6e722e74 // uqsub v20.8h, v19.8h, v18.8h
	WORD $0x6e732e55 // uqsub v21.8h, v18.8h, v19.8h
	PAIR($2, R3, R7)
	VADD V16.H8, V19.H8, V22.H8
	VADD V17.H8, V18.H8, V23.H8
	ACROSS(R4, R8)
	SUBS $1, R12
	BNE loop
	RET

// func applyLargest(a *largest)
TEXT ·applyLargest(SB), NOSPLIT, $0-8
	MOVD a+0(FP), R0
	MOVD largest_dst(R0), R1
	MOVD largest_a(R0), R2
	MOVD largest_b(R0), R3
	MOVD largest_c(R0), R4
	MOVD largest_blocks(R0), R5
loop:
	VLD1.P 16(R2), [V0.B16]
	VLD1.P 16(R3), [V1.B16]
	VLD1.P 16(R4), [V2.B16]
	VUMAX V1.B16, V0.B16, V0.B16
	VUMAX V2.B16, V0.B16, V0.B16
	VST1.P [V0.B16], 16(R1)
	SUBS $1, R5
	BNE loop
	RET

// func applyLeast(a *least)
TEXT ·applyLeast(SB), NOSPLIT, $0-8
	MOVD a+0(FP), R0
	MOVD least_dst(R0), R9
	MOVD least_blocks(R0), R10
	MOVD (least_from+0)(R0), R1
	MOVD (least_from+8)(R0), R2
	MOVD (least_from+16)(R0), R3
	MOVD (least_from+24)(R0), R4
	MOVD (least_from+32)(R0), R5
	MOVD (least_from+40)(R0), R6
	MOVD (least_from+48)(R0), R7
	MOVD (least_from+56)(R0), R8
loop:
	VLD1.P 16(R1), [V0.B16]
	VLD1.P 16(R2), [V1.B16]
	VLD1.P 16(R3), [V2.B16]
	VLD1.P 16(R4), [V3.B16]
	VLD1.P 16(R5), [V4.B16]
	VLD1.P 16(R6), [V5.B16]
	VLD1.P 16(R7), [V6.B16]
	VLD1.P 16(R8), [V7.B16]
	VUMIN V1.B16, V0.B16, V0.B16
	VUMIN V3.B16, V2.B16, V2.B16
	VUMIN V5.B16, V4.B16, V4.B16
	VUMIN V7.B16, V6.B16, V6.B16
	VUMIN V2.B16, V0.B16, V0.B16
	VUMIN V6.B16, V4.B16, V4.B16
	VUMIN V4.B16, V0.B16, V0.B16
	VLD1 (R9), [V1.B16]
	VUMAX V1.B16, V0.B16, V0.B16
	VST1.P [V0.B16], 16(R9)
	SUBS $1, R10
	BNE loop
	RET
