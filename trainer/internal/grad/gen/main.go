// Gen writes kern_amd64.s and kern_arm64.s, the AVX2, AVX-512 and NEON inner loops of package grad.
//
// On amd64 one description serves every width: a vector is a ZMM (16 lanes) or a YMM
// (8 lanes) register, a tile is some pixels (or input channels) times one or two
// vectors of output channels.
package main

import (
	"fmt"
	"log"
	"os"
	"strings"
)

// A vec is a kind of vector register.
type vec struct {
	letter string
	bytes  int
	evex   bool // AVX-512: 32 registers, mask registers, broadcasting operands
}

var (
	zmm    = vec{"Z", 64, true}
	ymm512 = vec{"Y", 32, true}
	ymm    = vec{"Y", 32, false}
)

func (v vec) r(i int) string { return fmt.Sprintf("%s%d", v.letter, i) }

func (v vec) lanes() int { return v.bytes / 4 }

// zero clears register i.
func (v vec) zero(i int) string {
	if v.evex {
		return fmt.Sprintf("VPXORD %[1]s, %[1]s, %[1]s", v.r(i))
	}
	return fmt.Sprintf("VXORPS %[1]s, %[1]s, %[1]s", v.r(i))
}

type emitter struct{ strings.Builder }

func (e *emitter) op(format string, a ...any) { fmt.Fprintf(e, "\t"+format+"\n", a...) }
func (e *emitter) label(l string)             { fmt.Fprintf(e, "%s:\n", l) }

func (e *emitter) text(name, args, doc string) {
	fmt.Fprintf(e, "\n// func %s(a *%s)\n// %s\nTEXT ·%s(SB), NOSPLIT, $0-8\n", name, args, doc, name)
	e.op("MOVQ a+0(FP), AX")
}

func (e *emitter) load(args string, pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		e.op("MOVQ %s_%s(AX), %s", args, pairs[i], pairs[i+1])
	}
}

// conv emits a tile of some pairs of pixels times nv vectors of output channels. Each
// accumulator adds its products in ascending k with one fused rounding each, so
// every width gives the same bits.
func conv(e *emitter, name string, v vec, pairs, nv int) {
	e.text(name, "convArgs", fmt.Sprintf("%d pairs of pixels, %d channels", pairs, nv*v.lanes()))
	base := []string{"SI", "BX", "R10", "R11"}[:pairs]
	for i, r := range base {
		e.load("convArgs", fmt.Sprintf("in%d", i), r)
	}
	e.load("convArgs", "w", "DI", "pix", "R8", "runs", "DX", "wSkip", "R13")
	n := 2 * pairs * nv
	for i := range n {
		e.op("%s", v.zero(i))
	}
	w, free := n, 32-n-nv
	if !v.evex {
		free = 16 - n - nv
	}
	e.label(name + "_run")
	e.op("MOVQ convArgs_runLen(AX), CX")
	e.label(name + "_k")
	for i := range nv {
		e.op("VMOVUPS %d(DI), %s", i*v.bytes, v.r(w+i))
	}
	for p := range 2 * pairs {
		addr := fmt.Sprintf("(%s)", base[p/2])
		if p%2 == 1 {
			addr += "(R8*1)"
		}
		if nv == 1 && v.evex {
			e.op("VFMADD231PS.BCST %s, %s, %s", addr, v.r(w), v.r(p))
			continue
		}
		b := v.r(w + nv + p%min(free, 4))
		e.op("VBROADCASTSS %s, %s", addr, b)
		for i := range nv {
			e.op("VFMADD231PS %s, %s, %s", b, v.r(w+i), v.r(p*nv+i))
		}
	}
	for _, r := range base {
		e.op("ADDQ $4, %s", r)
	}
	e.op("ADDQ R13, DI")
	e.op("DECQ CX")
	e.op("JNZ %s_k", name)
	e.op("MOVQ convArgs_runSkip(AX), CX")
	for _, r := range base {
		e.op("ADDQ CX, %s", r)
	}
	e.op("DECQ DX")
	e.op("JNZ %s_run", name)
	e.load("convArgs", "outPix", "R8")
	for i := range pairs {
		e.load("convArgs", fmt.Sprintf("out%d", i), "DI")
		for k := range 2 * nv {
			addr := fmt.Sprintf("%d(DI)", k%nv*v.bytes)
			if k >= nv {
				addr += "(R8*1)"
			}
			e.op("VMOVUPS %s, %s", v.r(2*i*nv+k), addr)
		}
	}
	e.op("VZEROUPPER")
	e.op("RET")
}

// weight emits mr values of the window's row times nv vectors of output channels of the
// weight gradient: the sum over rows x cols pixels of x*dy, added to out.
func weight(e *emitter, name string, v vec, mr, nv int) {
	e.text(name, "weightArgs", fmt.Sprintf("%d values of the window, %d output channels", mr, nv*v.lanes()))
	e.load("weightArgs", "x", "SI", "dy", "DI", "xPix", "R8", "dyPix", "R9", "rows", "DX",
		"xSkip", "R10", "dySkip", "R11")
	n := mr * nv
	for i := range n {
		e.op("%s", v.zero(i))
	}
	free := 32 - n - nv
	if !v.evex {
		free = 16 - n - nv
	}
	e.label(name + "_row")
	e.op("MOVQ weightArgs_cols(AX), CX")
	e.label(name + "_col")
	for i := range nv {
		e.op("VMOVUPS %d(DI), %s", i*v.bytes, v.r(n+i))
	}
	for m := range mr {
		b := v.r(n + nv + m%min(free, 4))
		e.op("VBROADCASTSS %d(SI), %s", 4*m, b)
		for i := range nv {
			e.op("VFMADD231PS %s, %s, %s", b, v.r(n+i), v.r(m*nv+i))
		}
	}
	e.op("ADDQ R8, SI")
	e.op("ADDQ R9, DI")
	e.op("DECQ CX")
	e.op("JNZ %s_col", name)
	e.op("ADDQ R10, SI")
	e.op("ADDQ R11, DI")
	e.op("DECQ DX")
	e.op("JNZ %s_row", name)
	e.load("weightArgs", "out", "DI", "outSkip", "R8")
	for m := range mr {
		for i := range nv {
			r := v.r(m*nv + i)
			e.op("VADDPS %d(DI), %s, %s", i*v.bytes, r, r)
			e.op("VMOVUPS %s, %d(DI)", r, i*v.bytes)
		}
		if m < mr-1 {
			e.op("ADDQ R8, DI")
		}
	}
	e.op("VZEROUPPER")
	e.op("RET")
}

// peakAccumulators are independent sums of the peak loop: latency 4 times two units, with room to spare.
const peakAccumulators = 12

// peak emits n turns of peakAccumulators fused multiply-adds between registers.
func peak(e *emitter, name string, v vec) {
	fmt.Fprintf(e, "\n// func %s(n int)\nTEXT ·%s(SB), NOSPLIT, $0-8\n", name, name)
	e.op("MOVQ n+0(FP), CX")
	for i := range peakAccumulators + 2 {
		e.op("%s", v.zero(i))
	}
	e.label(name + "_loop")
	for i := range peakAccumulators {
		e.op("VFMADD231PS %s, %s, %s", v.r(peakAccumulators), v.r(peakAccumulators+1), v.r(i))
	}
	e.op("DECQ CX")
	e.op("JNZ %s_loop", name)
	e.op("VZEROUPPER")
	e.op("RET")
}

// An elem describes an element-wise loop over rows x cols pixels of one vector
// of channels. Registers 0..5 hold per-channel values, 6.. are scratch.
type elem struct {
	name, doc string
	ptrs      int      // tensors p0.. in SI, DI, BX, R12
	consts    int      // per-channel values c0.. loaded into registers 0..
	body      []string // one pixel; %L load, see below
	store     []int    // per-channel registers written back to c_i at the end
}

// Body language: "ld p r" loads tensor p into register r, "st r p" stores,
// "fma a b d" d += a*b, "add a b d" d = a+b, "sub a b d" d = b-a, "relu r d" d = max(r, 0),
// "keep r m" zeroes the lanes of r where m <= 0. Register 15 is zero.
var elems = []elem{
	{"moments", "c0 += p0, c1 += p0*p0", 1, 2, []string{"ld 0 6", "add 6 0 0", "fma 6 6 1"}, []int{0, 1}},
	{"norm", "p0 = p1*c0 + c1", 2, 2, []string{"ld 1 6", "fma213 6 0 1", "st 6 0"}, nil},
	{
		"normReLU", "p0 = max(p1*c0 + c1, 0)", 2, 2,
		[]string{"ld 1 6", "fma213 6 0 1", "relu 6", "st 6 0"},
		nil,
	},
	{
		"normAdd", "p0 = p1*c0 + (p2*c2 + c1)", 3, 3,
		[]string{"ld 2 6", "fma213 6 2 1", "ld 1 7", "fma 7 0 6", "st 6 0"},
		nil,
	},
	{"relu", "p0 = max(p1, 0)", 2, 0, []string{"ld 1 6", "relu 6", "st 6 0"}, nil},
	{
		"sums", "c1 += p0, c2 += p0*(p1 - c0)", 2, 3,
		[]string{"ld 0 6", "ld 1 7", "sub 0 7 7", "add 6 1 1", "fma 6 7 2"},
		[]int{1, 2},
	},
	{
		"maskSums", "p0 = p2 > 0 ? p0 : 0, c1 += p0, c2 += p0*(p1 - c0)", 3, 3,
		[]string{"ld 0 6", "ld 2 7", "keep 6 7", "st 6 0", "ld 1 7", "sub 0 7 7", "add 6 1 1", "fma 6 7 2"},
		[]int{1, 2},
	},
	{
		"normBack", "p0 = p1*c0 + (p2*c1 + c2)", 3, 3,
		[]string{"ld 2 6", "fma213 6 1 2", "ld 1 7", "fma 7 0 6", "st 6 0"},
		nil,
	},
	{
		"mask", "p0 = p2 > 0 ? p1 : 0", 3, 0,
		[]string{"ld 1 6", "ld 2 7", "keep 6 7", "st 6 0"},
		nil,
	},
	{"add", "p0 += p1", 2, 0, []string{"ld 0 6", "ld 1 7", "add 6 7 6", "st 6 0"}, nil},
}

func (d elem) emit(e *emitter, suffix string, v vec) {
	name := d.name + suffix
	e.text(name, "elemArgs", d.doc)
	regs := []string{"SI", "DI", "BX", "R12"}
	for i := range d.ptrs {
		e.load("elemArgs", fmt.Sprintf("p%d", i), regs[i])
	}
	for i := range d.consts {
		e.load("elemArgs", fmt.Sprintf("c%d", i), "R13")
		e.op("VMOVUPS (R13), %s", v.r(i))
	}
	e.op("%s", v.zero(15))
	e.load("elemArgs", "rows", "DX", "pix", "R9", "skip", "R11")
	e.op("XORQ R8, R8")
	e.label(name + "_row")
	e.op("MOVQ elemArgs_cols(AX), CX")
	e.label(name + "_col")
	for _, s := range d.body {
		f := strings.Fields(s)
		var n [3]int
		for i := range f[1:] {
			fmt.Sscan(f[1+i], &n[i])
		}
		switch f[0] {
		case "ld":
			e.op("VMOVUPS (%s)(R8*1), %s", regs[n[0]], v.r(n[1]))
		case "st":
			e.op("VMOVUPS %s, (%s)(R8*1)", v.r(n[0]), regs[n[1]])
		case "fma":
			e.op("VFMADD231PS %s, %s, %s", v.r(n[0]), v.r(n[1]), v.r(n[2]))
		case "fma213": // n0 = n0*n1 + n2
			e.op("VFMADD213PS %s, %s, %s", v.r(n[2]), v.r(n[1]), v.r(n[0]))
		case "add":
			e.op("VADDPS %s, %s, %s", v.r(n[1]), v.r(n[0]), v.r(n[2]))
		case "sub":
			e.op("VSUBPS %s, %s, %s", v.r(n[0]), v.r(n[1]), v.r(n[2]))
		case "relu":
			e.op("VMAXPS %s, %s, %s", v.r(15), v.r(n[0]), v.r(n[0]))
		case "keep": // 15 is zero; LT_OS: 0 < m
			if v.evex {
				e.op("VCMPPS $1, %s, %s, K1", v.r(n[1]), v.r(15))
				e.op("VMOVUPS.Z %s, K1, %s", v.r(n[0]), v.r(n[0]))
			} else {
				e.op("VCMPPS $1, %s, %s, %s", v.r(n[1]), v.r(15), v.r(14))
				e.op("VANDPS %s, %s, %s", v.r(14), v.r(n[0]), v.r(n[0]))
			}
		default:
			log.Fatalf("unknown operation %q", s)
		}
	}
	e.op("ADDQ R9, R8")
	e.op("DECQ CX")
	e.op("JNZ %s_col", name)
	e.op("ADDQ R11, R8")
	e.op("DECQ DX")
	e.op("JNZ %s_row", name)
	for _, i := range d.store {
		e.load("elemArgs", fmt.Sprintf("c%d", i), "R13")
		e.op("VMOVUPS %s, (R13)", v.r(i))
	}
	e.op("VZEROUPPER")
	e.op("RET")
}

// A square is a source of 4x4 or 2x2 vectors: registers of its rows, and of one and three columns' bytes.
type square struct{ rows [4]string }

func (square) at(row string, col int) string {
	return [...]string{"(" + row + ")", "(" + row + ")(R8*1)", "(" + row + ")(R8*2)", "(" + row + ")(R9*1)"}[col]
}

// tile emits a loop over vectors of channels around the body, with the source's rows and columns in registers.
func tile(e *emitter, name string, v vec, doc string, rows int, body func(s square)) {
	e.text(name, "tileArgs", doc)
	s := square{[4]string{"SI", "BX", "R10", "R11"}}
	e.load("tileArgs", "in", "SI", "inRow", "CX", "inCol", "R8", "out", "DI", "outRow", "R13", "outCol", "R12")
	for i := 1; i < rows; i++ {
		e.op("LEAQ (%s)(CX*1), %s", s.rows[i-1], s.rows[i])
	}
	e.op("LEAQ (R8)(R8*2), R9")
	e.label(name + "_tile")
	e.load("tileArgs", "vectors", "CX")
	e.label(name + "_vector")
	body(s)
	for i := range rows {
		e.op("ADDQ $%d, %s", v.bytes, s.rows[i])
	}
	e.op("ADDQ $%d, DI", v.bytes)
	e.op("DECQ CX")
	e.op("JNZ %s_vector", name)
	for i := range rows {
		e.op("ADDQ tileArgs_inSkip(AX), %s", s.rows[i])
	}
	e.op("ADDQ tileArgs_outSkip(AX), DI")
	e.op("DECQ tileArgs_tiles(AX)")
	e.op("JNZ %s_tile", name)
	e.op("VZEROUPPER")
	e.op("RET")
}

// planes stores registers first..first+3 of row i of a transformed tile; DX walks from plane to plane.
func planes(e *emitter, v vec, first, i int) {
	if i == 0 {
		e.op("MOVQ DI, DX")
	}
	for j := range 4 {
		e.op("VMOVUPS %s, (DX)", v.r(first+j))
		e.op("ADDQ R12, DX")
	}
}

// winograd emits the three transforms of F(2x2, 3x3), one vector of channels each. The formulas are those
// of the generic loops in winograd.go, in their order.
func winograd(e *emitter, suffix string, v vec) {
	tile(e, "spreadInput"+suffix, v, "planes = B' in B", 4, func(s square) {
		for i, t := range []struct {
			op   string
			a, b int
		}{{"VSUBPS", 0, 2}, {"VADDPS", 1, 2}, {"VSUBPS", 2, 1}, {"VSUBPS", 3, 1}} {
			for j := range 4 {
				e.op("VMOVUPS %s, %s", s.at(s.rows[t.a], j), v.r(j))
				e.op("%s %s, %s, %s", t.op, s.at(s.rows[t.b], j), v.r(j), v.r(j))
			}
			e.op("VSUBPS %s, %s, %s", v.r(2), v.r(0), v.r(4))
			e.op("VADDPS %s, %s, %s", v.r(2), v.r(1), v.r(5))
			e.op("VSUBPS %s, %s, %s", v.r(1), v.r(2), v.r(6))
			e.op("VSUBPS %s, %s, %s", v.r(1), v.r(3), v.r(7))
			planes(e, v, 4, i)
		}
	})
	tile(e, "spreadOutput"+suffix, v, "planes = A in A'", 2, func(s square) {
		for j := range 2 {
			e.op("VMOVUPS %s, %s", s.at(s.rows[0], j), v.r(j))
			e.op("VMOVUPS %s, %s", s.at(s.rows[1], j), v.r(6+j))
			e.op("VADDPS %s, %s, %s", v.r(6+j), v.r(j), v.r(2+j))
			e.op("VSUBPS %s, %s, %s", v.r(6+j), v.r(j), v.r(4+j))
		}
		for i := range 4 {
			p, q := v.r(2*i), v.r(2*i+1)
			e.op("VMOVAPS %s, %s", p, v.r(8))
			e.op("VADDPS %s, %s, %s", q, p, v.r(9))
			e.op("VSUBPS %s, %s, %s", q, p, v.r(10))
			e.op("VMOVAPS %s, %s", q, v.r(11))
			planes(e, v, 8, i)
		}
	})
	tile(e, "gatherOutput"+suffix, v, "out = A' planes A", 4, func(s square) {
		for j := range 4 {
			e.op("VMOVUPS %s, %s", s.at(s.rows[1], j), v.r(8))
			e.op("VMOVUPS %s, %s", s.at(s.rows[2], j), v.r(9))
			e.op("VADDPS %s, %s, %s", s.at(s.rows[0], j), v.r(8), v.r(j))
			e.op("VADDPS %s, %s, %s", v.r(9), v.r(j), v.r(j))
			e.op("VSUBPS %s, %s, %s", v.r(9), v.r(8), v.r(4+j))
			e.op("VADDPS %s, %s, %s", s.at(s.rows[3], j), v.r(4+j), v.r(4+j))
		}
		for i, at := range []string{"DI", "DX"} {
			r := 4 * i
			if i == 1 {
				e.op("LEAQ (DI)(R13*1), DX")
			}
			e.op("VADDPS %s, %s, %s", v.r(r+1), v.r(r), v.r(8))
			e.op("VADDPS %s, %s, %s", v.r(r+2), v.r(8), v.r(8))
			e.op("VSUBPS %s, %s, %s", v.r(r+2), v.r(r+1), v.r(9))
			e.op("VADDPS %s, %s, %s", v.r(r+3), v.r(9), v.r(9))
			e.op("VMOVUPS %s, (%s)", v.r(8), at)
			e.op("VMOVUPS %s, (%s)(R12*1)", v.r(9), at)
		}
	})
}

// transforms are the three functions of winograd.
var transforms = []string{"spreadInput", "spreadOutput", "gatherOutput"}

func main() {
	for name, text := range files() {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// files returns the contents of all generated files.
func files() map[string]string {
	f := map[string]string{}
	f["kern_amd64.s"], f["stubs_amd64.go"] = amd64()
	f["kern_arm64.s"], f["stubs_arm64.go"] = arm64()
	return f
}

// open begins a pair of files: assembly and declarations.
func open() (asm, decl *emitter) {
	asm, decl = &emitter{}, &emitter{}
	asm.WriteString("// Code generated by gen. DO NOT EDIT.\n\n//go:build !purego\n\n")
	asm.WriteString("#include \"textflag.h\"\n#include \"go_asm.h\"\n")
	decl.WriteString("// Code generated by gen. DO NOT EDIT.\n\n//go:build !purego\n\npackage grad\n")
	return asm, decl
}

// declare writes a function's Go declaration.
func (e *emitter) declare(name, args string) {
	fmt.Fprintf(e, "\n//go:noescape\nfunc %s(a *%s)\n", name, args)
}

// amd64 returns the assembly and the Go declarations of its functions.
func amd64() (text, stubs string) {
	asm, decl := open()
	for _, k := range []struct {
		name      string
		v         vec
		pairs, nv int
	}{
		{"conv512x32", zmm, 4, 2},
		{"conv512x16", zmm, 4, 1},
		{"conv512x8", ymm512, 4, 1},
		{"conv256x16", ymm, 3, 2},
		{"conv256x8", ymm, 3, 1},
	} {
		conv(asm, k.name, k.v, k.pairs, k.nv)
		decl.declare(k.name, "convArgs")
	}
	for _, k := range []struct {
		isa string
		v   vec
		nv  int
		mr  []int
	}{
		{"512", zmm, 2, []int{8, 4, 3, 2, 1}},
		{"512", zmm, 1, []int{8, 4, 3, 2, 1}},
		{"512", ymm512, 1, []int{8, 4, 3, 2, 1}},
		{"256", ymm, 2, []int{6, 4, 3, 2, 1}},
		{"256", ymm, 1, []int{6, 4, 3, 2, 1}},
	} {
		for _, mr := range k.mr {
			name := fmt.Sprintf("weight%s_%dx%d", k.isa, mr, k.nv*k.v.lanes())
			weight(asm, name, k.v, mr, k.nv)
			decl.declare(name, "weightArgs")
		}
	}
	for _, d := range elems {
		for _, s := range []struct {
			suffix string
			v      vec
		}{{"512", zmm}, {"256", ymm}} {
			d.emit(asm, s.suffix, s.v)
			decl.declare(d.name+s.suffix, "elemArgs")
		}
	}
	for _, s := range []struct {
		suffix string
		v      vec
	}{{"512", zmm}, {"256", ymm}} {
		winograd(asm, s.suffix, s.v)
		for _, name := range transforms {
			decl.declare(name+s.suffix, "tileArgs")
		}
	}
	for _, k := range []struct {
		name string
		v    vec
	}{{"peak512", zmm}, {"peak256", ymm}} {
		peak(asm, k.name, k.v)
		fmt.Fprintf(decl, "\nfunc %s(n int)\n", k.name)
	}
	return asm.String(), decl.String()
}
