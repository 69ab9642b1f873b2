//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// Sums of products are rounded after each operation, in the order of the Go code: the same bits.

// SPAN begins a correlation.
//
//	DI  dst        SI  c[i]           R8  stride in bytes
//	BX  f          R10 r              R9  elements left
#define SPAN \
	MOVQ a+0(FP), AX          \
	MOVQ span_dst(AX), DI     \
	MOVQ span_src(AX), SI     \
	MOVQ span_f(AX), BX       \
	MOVQ span_n(AX), R9       \
	MOVQ span_stride(AX), R8  \
	MOVQ span_r(AX), R10      \
	SHLQ $2, R8               \
	MOVQ R10, CX              \
	IMULQ R8, CX              \
	ADDQ CX, SI

// FIRST sets the sum of 8 elements at an offset, TAP adds the pair of tap t to it.
//
//	Y5 f[t]        R11 c[i + t stride]    R12 c[i - t stride]
#define FIRST(off, sum) \
	VMULPS off(SI), Y5, sum

#define TAP(OP, off, sum, tmp) \
	VMOVUPS off(R11), tmp      \
	OP off(R12), tmp, tmp      \
	VMULPS tmp, Y5, tmp        \
	VADDPS tmp, sum, sum

// CORRELATE is the loop over 32, then over 8 elements.
#define CORRELATE(OP) \
	SPAN \
wide: \
	CMPQ R9, $32 \
	JLT narrow \
	VBROADCASTSS (BX), Y5 \
	FIRST(0, Y0) \
	FIRST(32, Y1) \
	FIRST(64, Y2) \
	FIRST(96, Y3) \
	MOVQ SI, R11 \
	MOVQ SI, R12 \
	XORQ DX, DX \
	CMPQ DX, R10 \
	JGE widestore \
widetap: \
	INCQ DX \
	ADDQ R8, R11 \
	SUBQ R8, R12 \
	VBROADCASTSS (BX)(DX*4), Y5 \
	TAP(OP, 0, Y0, Y6) \
	TAP(OP, 32, Y1, Y7) \
	TAP(OP, 64, Y2, Y8) \
	TAP(OP, 96, Y3, Y9) \
	CMPQ DX, R10 \
	JLT widetap \
widestore: \
	VMOVUPS Y0, (DI) \
	VMOVUPS Y1, 32(DI) \
	VMOVUPS Y2, 64(DI) \
	VMOVUPS Y3, 96(DI) \
	ADDQ $128, DI \
	ADDQ $128, SI \
	SUBQ $32, R9 \
	JMP wide \
narrow: \
	CMPQ R9, $8 \
	JLT done \
	VBROADCASTSS (BX), Y5 \
	FIRST(0, Y0) \
	MOVQ SI, R11 \
	MOVQ SI, R12 \
	XORQ DX, DX \
	CMPQ DX, R10 \
	JGE narrowstore \
narrowtap: \
	INCQ DX \
	ADDQ R8, R11 \
	SUBQ R8, R12 \
	VBROADCASTSS (BX)(DX*4), Y5 \
	TAP(OP, 0, Y0, Y6) \
	CMPQ DX, R10 \
	JLT narrowtap \
narrowstore: \
	VMOVUPS Y0, (DI) \
	ADDQ $32, DI \
	ADDQ $32, SI \
	SUBQ $8, R9 \
	JMP narrow \
done: \
	VZEROUPPER \
	RET

// func evenAVX2(a *span)
TEXT ·evenAVX2(SB), NOSPLIT, $0-8
	CORRELATE(VADDPS)

// func oddAVX2(a *span)
TEXT ·oddAVX2(SB), NOSPLIT, $0-8
	CORRELATE(VSUBPS)

// ENERGY stores sqrt(first^2 + second^2 + 1e-8), Y15 = 1e-8.
#define ENERGY(first, second, to) \
	VMULPS first, first, Y8     \
	VMULPS second, second, Y9   \
	VADDPS Y9, Y8, Y8           \
	VADDPS Y15, Y8, Y8          \
	VSQRTPS Y8, Y8              \
	VMOVUPS Y8, (to)(DX*4)

// func orientAVX2(a *planes)
//
//	DX element     SI x   DI y   R8 xx   R9 yy   R10 xy   R11 R12 R13 BX energies
TEXT ·orientAVX2(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), AX
	MOVQ (planes_p+0)(AX), SI
	MOVQ (planes_p+8)(AX), DI
	MOVQ (planes_p+16)(AX), R8
	MOVQ (planes_p+24)(AX), R9
	MOVQ (planes_p+32)(AX), R10
	MOVQ (planes_p+40)(AX), R11
	MOVQ (planes_p+48)(AX), R12
	MOVQ (planes_p+56)(AX), R13
	MOVQ (planes_p+64)(AX), BX
	MOVQ planes_n(AX), CX
	MOVL $0x322bcc77, AX // 1e-8
	VMOVD AX, X15
	VBROADCASTSS X15, Y15
	MOVL $0x3f3504f3, AX // sqrt(2)/2
	VMOVD AX, X14
	VBROADCASTSS X14, Y14
	MOVL $0x3f000000, AX // 1/2
	VMOVD AX, X13
	VBROADCASTSS X13, Y13
	XORQ DX, DX
	CMPQ DX, CX
	JGE done

loop:
	VMOVUPS (SI)(DX*4), Y0
	VMOVUPS (DI)(DX*4), Y1
	VMOVUPS (R8)(DX*4), Y2
	VMOVUPS (R9)(DX*4), Y3
	VMOVUPS (R10)(DX*4), Y4
	VADDPS Y1, Y0, Y5  // x + y
	VMULPS Y14, Y5, Y5
	VSUBPS Y0, Y1, Y6  // y - x
	VMULPS Y14, Y6, Y6
	VADDPS Y3, Y2, Y7
	VMULPS Y13, Y7, Y7 // (xx + yy) / 2
	ENERGY(Y0, Y2, R11)
	ENERGY(Y1, Y3, R13)
	VADDPS Y4, Y7, Y10
	ENERGY(Y5, Y10, R12)
	VSUBPS Y4, Y7, Y10
	ENERGY(Y6, Y10, BX)
	ADDQ $8, DX
	CMPQ DX, CX
	JLT loop

done:
	VZEROUPPER
	RET
