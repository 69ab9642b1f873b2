//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// Which byte of each third of 48 is a channel's byte of the sixteen pixels: red, green, blue; 0x80 means none.
DATA thirds<>+0(SB)/8, $0x80800f0c09060300
DATA thirds<>+8(SB)/8, $0x8080808080808080
DATA thirds<>+16(SB)/8, $0x0502808080808080
DATA thirds<>+24(SB)/8, $0x80808080800e0b08
DATA thirds<>+32(SB)/8, $0x8080808080808080
DATA thirds<>+40(SB)/8, $0x0d0a070401808080
DATA thirds<>+48(SB)/8, $0x8080800d0a070401
DATA thirds<>+56(SB)/8, $0x8080808080808080
DATA thirds<>+64(SB)/8, $0x0603008080808080
DATA thirds<>+72(SB)/8, $0x80808080800f0c09
DATA thirds<>+80(SB)/8, $0x8080808080808080
DATA thirds<>+88(SB)/8, $0x0e0b080502808080
DATA thirds<>+96(SB)/8, $0x8080800e0b080502
DATA thirds<>+104(SB)/8, $0x8080808080808080
DATA thirds<>+112(SB)/8, $0x0704018080808080
DATA thirds<>+120(SB)/8, $0x8080808080800d0a
DATA thirds<>+128(SB)/8, $0x8080808080808080
DATA thirds<>+136(SB)/8, $0x0f0c090603008080
GLOBL thirds<>(SB), RODATA|NOPTR, $144

// PAIR writes one direction and its opposite: MORE - LESS and LESS - MORE where they are positive, 16 words
// each, SHIFTed down, at most 127. PACK interleaves the halves of the two, VPERMQ parts them.
#define PAIR(MORE, LESS, SHIFT, TO, FROM) \
	VPSUBUSW LESS, MORE, Y12; \
	VPSUBUSW MORE, LESS, Y13; \
	SHIFT \
	VPMINUW Y15, Y12, Y12; \
	VPMINUW Y15, Y13, Y13; \
	VPACKUSWB Y13, Y12, Y12; \
	VPERMQ $0xd8, Y12, Y12; \
	VMOVDQU X12, (TO)(DI*1); \
	VEXTRACTI128 $1, Y12, (FROM)(DI*1)

#define ALONG \
	VPSRLW $2, Y12, Y12; \
	VPSRLW $2, Y13, Y13;

#define ACROSS \
	VPMULLW Y14, Y12, Y12; \
	VPMULLW Y14, Y13, Y13; \
	VPSRLW $7, Y12, Y12; \
	VPSRLW $7, Y13, Y13;

// func applyGrey(a *grey)
TEXT ·applyGrey(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DI
	MOVQ grey_dst(DI), AX
	MOVQ grey_src(DI), BX
	MOVQ grey_blocks(DI), CX
	VPCMPEQB X15, X15, X15
	VPABSB X15, X15
	VPSLLW $7, X15, X14
	VPSUBB X15, X14, X15 // 127
	MOVL $21846, DX // 65536/3, rounded up
	VMOVD DX, X14
	VPBROADCASTW X14, Y14
	VMOVDQU thirds<>+0(SB), X8
	VMOVDQU thirds<>+16(SB), X9
	VMOVDQU thirds<>+32(SB), X10
	VMOVDQU thirds<>+48(SB), X11
	VMOVDQU thirds<>+64(SB), X12
	VMOVDQU thirds<>+80(SB), X13
loop:
	VPADDB 0(BX), X15, X0
	VPADDB 16(BX), X15, X1
	VPADDB 32(BX), X15, X2
	VPSHUFB X8, X0, X3 // red
	VPSHUFB X9, X1, X4
	VPSHUFB X10, X2, X5
	VPOR X4, X3, X3
	VPOR X5, X3, X3
	VPSHUFB X11, X0, X4 // green
	VPSHUFB X12, X1, X5
	VPSHUFB X13, X2, X6
	VPOR X5, X4, X4
	VPOR X6, X4, X4
	VPSHUFB thirds<>+96(SB), X0, X5 // blue
	VPSHUFB thirds<>+112(SB), X1, X6
	VPSHUFB thirds<>+128(SB), X2, X7
	VPOR X6, X5, X5
	VPOR X7, X5, X5
	VPMOVZXBW X3, Y3
	VPMOVZXBW X4, Y4
	VPMOVZXBW X5, Y5
	VPADDW Y4, Y3, Y3
	VPADDW Y5, Y3, Y3
	VPMULHUW Y14, Y3, Y3
	VEXTRACTI128 $1, Y3, X4
	VPACKUSWB X4, X3, X3
	VMOVDQU X3, (AX)
	ADDQ $48, BX
	ADDQ $16, AX
	DECQ CX
	JNE loop
	VZEROUPPER
	RET

// func applySobel(a *sobel)
TEXT ·applySobel(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DI
	MOVQ sobel_up(DI), R8
	MOVQ sobel_mid(DI), R9
	MOVQ sobel_down(DI), R10
	MOVQ sobel_blocks(DI), CX
	MOVQ (sobel_to+0)(DI), AX
	MOVQ (sobel_to+8)(DI), BX
	MOVQ (sobel_to+16)(DI), DX
	MOVQ (sobel_to+24)(DI), SI
	MOVQ (sobel_to+32)(DI), R11
	MOVQ (sobel_to+40)(DI), R12
	MOVQ (sobel_to+48)(DI), R13
	MOVQ (sobel_to+56)(DI), R15
	VPCMPEQW Y15, Y15, Y15
	VPSRLW $9, Y15, Y15 // 127
	VPSRLW $2, Y15, Y14 // 31
	VPSRLW $4, Y15, Y13 // 7
	VPSUBW Y13, Y14, Y14
	VPSRLW $6, Y15, Y13 // 1
	VPSUBW Y13, Y14, Y14 // 23
	XORQ DI, DI
loop:
	VPMOVZXBW 0(R8)(DI*1), Y0 // north-west
	VPMOVZXBW 1(R8)(DI*1), Y1
	VPMOVZXBW 2(R8)(DI*1), Y2
	VPMOVZXBW 0(R9)(DI*1), Y3 // west
	VPMOVZXBW 2(R9)(DI*1), Y4
	VPMOVZXBW 0(R10)(DI*1), Y5 // south-west
	VPMOVZXBW 1(R10)(DI*1), Y6
	VPMOVZXBW 2(R10)(DI*1), Y7
	VPADDW Y3, Y3, Y8
	VPADDW Y0, Y8, Y8
	VPADDW Y5, Y8, Y8 // west
	VPADDW Y4, Y4, Y9
	VPADDW Y2, Y9, Y9
	VPADDW Y7, Y9, Y9 // east
	VPADDW Y1, Y1, Y10
	VPADDW Y0, Y10, Y10
	VPADDW Y2, Y10, Y10 // north
	VPADDW Y6, Y6, Y11
	VPADDW Y5, Y11, Y11
	VPADDW Y7, Y11, Y11 // south
	PAIR(Y9, Y8, ALONG, AX, R11)
	PAIR(Y11, Y10, ALONG, DX, R13)
	VPADDW Y9, Y11, Y0
	VPADDW Y8, Y10, Y1
	PAIR(Y0, Y1, ACROSS, BX, R12)
	VPADDW Y8, Y11, Y0
	VPADDW Y9, Y10, Y1
	PAIR(Y0, Y1, ACROSS, SI, R15)
	ADDQ $16, DI
	DECQ CX
	JNE loop
	VZEROUPPER
	RET

// func applyLargest(a *largest)
TEXT ·applyLargest(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DI
	MOVQ largest_dst(DI), AX
	MOVQ largest_a(DI), BX
	MOVQ largest_b(DI), DX
	MOVQ largest_c(DI), SI
	MOVQ largest_blocks(DI), CX
	XORQ DI, DI
loop:
	VMOVDQU (BX)(DI*1), Y0
	VPMAXUB (DX)(DI*1), Y0, Y0
	VPMAXUB (SI)(DI*1), Y0, Y0
	VMOVDQU Y0, (AX)(DI*1)
	ADDQ $32, DI
	DECQ CX
	JNE loop
	VZEROUPPER
	RET

// func applyLeast(a *least)
TEXT ·applyLeast(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DI
	MOVQ least_dst(DI), R8
	MOVQ least_blocks(DI), CX
	MOVQ (least_from+0)(DI), AX
	MOVQ (least_from+8)(DI), BX
	MOVQ (least_from+16)(DI), DX
	MOVQ (least_from+24)(DI), SI
	MOVQ (least_from+32)(DI), R9
	MOVQ (least_from+40)(DI), R10
	MOVQ (least_from+48)(DI), R11
	MOVQ (least_from+56)(DI), R12
	XORQ DI, DI
loop:
	VMOVDQU (AX)(DI*1), Y0
	VPMINUB (BX)(DI*1), Y0, Y0
	VPMINUB (DX)(DI*1), Y0, Y0
	VPMINUB (SI)(DI*1), Y0, Y0
	VPMINUB (R9)(DI*1), Y0, Y0
	VPMINUB (R10)(DI*1), Y0, Y0
	VPMINUB (R11)(DI*1), Y0, Y0
	VPMINUB (R12)(DI*1), Y0, Y0
	VPMAXUB (R8)(DI*1), Y0, Y0
	VMOVDQU Y0, (R8)(DI*1)
	ADDQ $32, DI
	DECQ CX
	JNE loop
	VZEROUPPER
	RET
