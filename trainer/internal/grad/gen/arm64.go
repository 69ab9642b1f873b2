package main

import (
	"fmt"
	"log"
	"strings"
)

// NEON has 32 registers of 4 lanes. Its fused multiply-add rounds once, as AVX2's does, and every loop here
// adds in the order of the loops for amd64, so the bits are the same.

const laneBytes = 16

// Instructions that Go's assembler does not know, by their encoding in the Arm Architecture Reference Manual,
// each with its mnemonic.

func (e *emitter) word(code uint32, format string, args ...any) {
	e.op("WORD $0x%08x // "+format, append([]any{code}, args...)...)
}

func (e *emitter) three(name string, base uint32, d, n, m int) {
	e.word(base|uint32(m)<<16|uint32(n)<<5|uint32(d), "%s v%d.4s, v%d.4s, v%d.4s", name, d, n, m)
}

func (e *emitter) fadd(d, n, m int) { e.three("fadd", 0x4e20d400, d, n, m) }

// fsub: d = n - m.
func (e *emitter) fsub(d, n, m int) { e.three("fsub", 0x4ea0d400, d, n, m) }

// fmaxnm is the larger; a number where the other is not one, as VMAXPS gives it.
func (e *emitter) fmaxnm(d, n, m int) { e.three("fmaxnm", 0x4e20c400, d, n, m) }

// positive sets the lanes of d where n > 0.
func (e *emitter) positive(d, n int) {
	e.word(0x4ea0c800|uint32(n)<<5|uint32(d), "fcmgt v%d.4s, v%d.4s, #0.0", d, n)
}

// fmla: d += n*m, rounded once.
func (e *emitter) fmla(d, n, m int) { e.op("VFMLA V%d.S4, V%d.S4, V%d.S4", m, n, d) }

func (e *emitter) move(d, n int) { e.op("VMOV V%d.B16, V%d.B16", n, d) }

func (e *emitter) clear(r int) { e.op("VEOR V%[1]d.B16, V%[1]d.B16, V%[1]d.B16", r) }

// beginARM64 opens a function whose arguments' address is then in R0.
func (e *emitter) beginARM64(name, args, doc string) {
	fmt.Fprintf(e, "\n// func %s(a *%s)\n// %s\nTEXT ·%s(SB), NOSPLIT, $0-8\n", name, args, doc, name)
	e.op("MOVD a+0(FP), R0")
}

func (e *emitter) loadARM64(args string, pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		e.op("MOVD %s_%s(R0), %s", args, pairs[i], pairs[i+1])
	}
}

// vectors is the list of n registers from r on.
func vectors(r, n int) string {
	l := make([]string, n)
	for i := range l {
		l[i] = fmt.Sprintf("V%d.S4", r+i)
	}
	return "[" + strings.Join(l, ", ") + "]"
}

func (e *emitter) loop(counter, label string) {
	e.op("SUBS $1, %[1]s, %[1]s", counter)
	e.op("BNE %s", label)
}

// convNEON emits a tile of four pairs of pixels times nv vectors of output channels; conv in main.go is its twin.
//
//	R1..R8 pixels  R9 weights  R10 runSkip  R11 wSkip  R12 values left of a run  R13 runs left
func convNEON(e *emitter, name string, nv int) {
	e.beginARM64(name, "convArgs", fmt.Sprintf("4 pairs of pixels, %d channels", 4*nv))
	e.loadARM64("convArgs", "pix", "R12")
	for i := range 4 {
		e.loadARM64("convArgs", fmt.Sprintf("in%d", i), fmt.Sprintf("R%d", 1+2*i))
		e.op("ADD R12, R%d, R%d", 1+2*i, 2+2*i)
	}
	e.loadARM64("convArgs", "w", "R9", "runSkip", "R10", "wSkip", "R11", "runs", "R13")
	for i := range 8 * nv {
		e.clear(i)
	}
	w := 8 * nv
	e.label(name + "_run")
	e.loadARM64("convArgs", "runLen", "R12")
	e.label(name + "_k")
	e.op("VLD1 (R9), %s", vectors(w, nv))
	e.op("ADD R11, R9")
	for p := range 8 {
		b := w + nv + p
		e.op("VLD1R.P 4(R%d), [V%d.S4]", 1+p, b)
		for i := range nv {
			e.fmla(p*nv+i, w+i, b)
		}
	}
	e.loop("R12", name+"_k")
	for p := range 8 {
		e.op("ADD R10, R%d", 1+p)
	}
	e.loop("R13", name+"_run")
	e.loadARM64("convArgs", "outPix", "R12")
	for i := range 4 {
		e.loadARM64("convArgs", fmt.Sprintf("out%d", i), "R1")
		e.op("VST1 %s, (R1)", vectors(2*i*nv, nv))
		e.op("ADD R12, R1")
		e.op("VST1 %s, (R1)", vectors((2*i+1)*nv, nv))
	}
	e.op("RET")
}

// weightNEON emits mr values of the window's row times nv vectors of output channels; weight in main.go is its twin.
//
//	R1 x  R2 dy  R3 from a pixel's last value to the next one's first  R4 dyPix  R5 rows left
//	R6, R7 from row to row of x, dy  R8 columns left
func weightNEON(e *emitter, name string, mr, nv int) {
	e.beginARM64(name, "weightArgs", fmt.Sprintf("%d values of the window, %d output channels", mr, 4*nv))
	e.loadARM64("weightArgs", "x", "R1", "dy", "R2", "xPix", "R3", "dyPix", "R4", "rows", "R5", "xSkip", "R6", "dySkip", "R7")
	e.op("SUB $%d, R3", 4*mr)
	n := mr * nv
	for i := range n {
		e.clear(i)
	}
	e.label(name + "_row")
	e.loadARM64("weightArgs", "cols", "R8")
	e.label(name + "_col")
	e.op("VLD1 (R2), %s", vectors(n, nv))
	e.op("ADD R4, R2")
	for m := range mr {
		b := n + nv + m
		e.op("VLD1R.P 4(R1), [V%d.S4]", b)
		for i := range nv {
			e.fmla(m*nv+i, n+i, b)
		}
	}
	e.op("ADD R3, R1")
	e.loop("R8", name+"_col")
	e.op("ADD R6, R1")
	e.op("ADD R7, R2")
	e.loop("R5", name+"_row")
	e.loadARM64("weightArgs", "out", "R1", "outSkip", "R2")
	for m := range mr {
		e.op("VLD1 (R1), %s", vectors(n, nv))
		for i := range nv {
			e.fadd(m*nv+i, m*nv+i, n+i)
		}
		e.op("VST1 %s, (R1)", vectors(m*nv, nv))
		e.op("ADD R2, R1")
	}
	e.op("RET")
}

// emitNEON emits the element-wise loop. Vector 15 is zero, 14 and 16 are scratch.
//
//	R1..R3 tensors  R4 pix  R5 skip  R6 rows left  R7 columns left  R8 scratch
func (d elem) emitNEON(e *emitter) {
	name := d.name + "NEON"
	e.beginARM64(name, "elemArgs", d.doc)
	for i := range d.ptrs {
		e.loadARM64("elemArgs", fmt.Sprintf("p%d", i), fmt.Sprintf("R%d", 1+i))
	}
	for i := range d.consts {
		e.loadARM64("elemArgs", fmt.Sprintf("c%d", i), "R8")
		e.op("VLD1 (R8), %s", vectors(i, 1))
	}
	e.clear(15)
	e.loadARM64("elemArgs", "pix", "R4", "skip", "R5", "rows", "R6")
	e.label(name + "_row")
	e.loadARM64("elemArgs", "cols", "R7")
	e.label(name + "_col")
	for _, s := range d.body {
		f := strings.Fields(s)
		var n [3]int
		for i := range f[1:] {
			fmt.Sscan(f[1+i], &n[i])
		}
		switch f[0] {
		case "ld":
			e.op("VLD1 (R%d), %s", 1+n[0], vectors(n[1], 1))
		case "st":
			e.op("VST1 %s, (R%d)", vectors(n[0], 1), 1+n[1])
		case "fma":
			e.fmla(n[2], n[0], n[1])
		case "fma213":
			e.move(16, n[2])
			e.fmla(16, n[0], n[1])
			e.move(n[0], 16)
		case "add":
			e.fadd(n[2], n[0], n[1])
		case "sub":
			e.fsub(n[2], n[1], n[0])
		case "relu":
			e.fmaxnm(n[0], n[0], 15)
		case "keep":
			e.positive(14, n[1])
			e.op("VAND V14.B16, V%[1]d.B16, V%[1]d.B16", n[0])
		default:
			log.Fatalf("unknown operation %q", s)
		}
	}
	for i := range d.ptrs {
		e.op("ADD R4, R%d", 1+i)
	}
	e.loop("R7", name+"_col")
	for i := range d.ptrs {
		e.op("ADD R5, R%d", 1+i)
	}
	e.loop("R6", name+"_row")
	for _, i := range d.store {
		e.loadARM64("elemArgs", fmt.Sprintf("c%d", i), "R8")
		e.op("VST1 %s, (R8)", vectors(i, 1))
	}
	e.op("RET")
}

// tileNEON emits a loop over tiles and vectors around the body, with an n x n source in vectors 0.. by rows;
// tile in main.go is its twin.
//
//	R1 in  R2 out  R3 inRow  R4 inCol  R5 outRow  R6 outCol  R7, R8 skips
//	R9 tiles left  R10 vectors left  R11 row  R12 column
func tileNEON(e *emitter, name, doc string, n int, body func()) {
	e.beginARM64(name, "tileArgs", doc)
	e.loadARM64("tileArgs", "in", "R1", "out", "R2", "inRow", "R3", "inCol", "R4", "outRow", "R5", "outCol", "R6",
		"inSkip", "R7", "outSkip", "R8", "tiles", "R9")
	e.label(name + "_tile")
	e.loadARM64("tileArgs", "vectors", "R10")
	e.label(name + "_vector")
	e.op("MOVD R1, R11")
	for i := range n {
		e.op("MOVD R11, R12")
		for j := range n {
			e.op("VLD1 (R12), %s", vectors(n*i+j, 1))
			if j < n-1 {
				e.op("ADD R4, R12")
			}
		}
		if i < n-1 {
			e.op("ADD R3, R11")
		}
	}
	body()
	e.op("ADD $%d, R1", laneBytes)
	e.op("ADD $%d, R2", laneBytes)
	e.loop("R10", name+"_vector")
	e.op("ADD R7, R1")
	e.op("ADD R8, R2")
	e.loop("R9", name+"_tile")
	e.op("RET")
}

// planesNEON stores registers first..first+3 of row i of a transformed tile.
func planesNEON(e *emitter, first, i int) {
	if i == 0 {
		e.op("MOVD R2, R12")
	}
	for j := range 4 {
		e.op("VST1 %s, (R12)", vectors(first+j, 1))
		e.op("ADD R6, R12")
	}
}

func winogradNEON(e *emitter) {
	tileNEON(e, "spreadInputNEON", "planes = B' in B", 4, func() {
		for i := range 4 {
			for j := range 4 {
				switch i {
				case 0:
					e.fsub(16+j, j, 8+j)
				case 1:
					e.fadd(16+j, 4+j, 8+j)
				case 2:
					e.fsub(16+j, 8+j, 4+j)
				case 3:
					e.fsub(16+j, 12+j, 4+j)
				}
			}
			e.fsub(20, 16, 18)
			e.fadd(21, 17, 18)
			e.fsub(22, 18, 17)
			e.fsub(23, 19, 17)
			planesNEON(e, 20, i)
		}
	})
	tileNEON(e, "spreadOutputNEON", "planes = A in A'", 2, func() {
		for j := range 2 {
			e.move(16+j, j)
			e.fadd(18+j, j, 2+j)
			e.fsub(20+j, j, 2+j)
			e.move(22+j, 2+j)
		}
		for i := range 4 {
			p, q := 16+2*i, 17+2*i
			e.move(24, p)
			e.fadd(25, p, q)
			e.fsub(26, p, q)
			e.move(27, q)
			planesNEON(e, 24, i)
		}
	})
	tileNEON(e, "gatherOutputNEON", "out = A' planes A", 4, func() {
		for j := range 4 {
			e.fadd(16+j, j, 4+j)
			e.fadd(16+j, 16+j, 8+j)
			e.fsub(20+j, 4+j, 8+j)
			e.fadd(20+j, 20+j, 12+j)
		}
		for i := range 2 {
			r := 16 + 4*i
			e.fadd(24, r, r+1)
			e.fadd(24, 24, r+2)
			e.fsub(25, r+1, r+2)
			e.fadd(25, 25, r+3)
			if i == 0 {
				e.op("MOVD R2, R12")
			} else {
				e.op("ADD R5, R2, R12")
			}
			e.op("VST1 %s, (R12)", vectors(24, 1))
			e.op("ADD R6, R12")
			e.op("VST1 %s, (R12)", vectors(25, 1))
		}
	})
}

const peakNEONAccumulators = 16

// arm64 returns the assembly and the Go declarations of its functions.
func arm64() (text, stubs string) {
	asm, decl := open()
	for _, nv := range []int{2, 1} {
		name := fmt.Sprintf("convNEONx%d", 4*nv)
		convNEON(asm, name, nv)
		decl.declare(name, "convArgs")
	}
	for _, nv := range []int{2, 1} {
		for _, mr := range []int{8, 4, 3, 2, 1} {
			name := fmt.Sprintf("weightNEON_%dx%d", mr, 4*nv)
			weightNEON(asm, name, mr, nv)
			decl.declare(name, "weightArgs")
		}
	}
	for _, d := range elems {
		d.emitNEON(asm)
		decl.declare(d.name+"NEON", "elemArgs")
	}
	winogradNEON(asm)
	for _, name := range transforms {
		decl.declare(name+"NEON", "tileArgs")
	}
	fmt.Fprint(asm, "\n// func peakNEON(n int)\nTEXT ·peakNEON(SB), NOSPLIT, $0-8\n")
	asm.op("MOVD n+0(FP), R1")
	for i := range peakNEONAccumulators + 2 {
		asm.clear(i)
	}
	asm.label("peakNEON_loop")
	for i := range peakNEONAccumulators {
		asm.fmla(i, peakNEONAccumulators, peakNEONAccumulators+1)
	}
	asm.loop("R1", "peakNEON_loop")
	asm.op("RET")
	fmt.Fprint(decl, "\nfunc peakNEON(n int)\n")
	return asm.String(), decl.String()
}
