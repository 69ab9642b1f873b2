//go:build !purego

package grad

import "golang.org/x/sys/cpu"

//go:generate go run ./gen

var avx512 = kernels{
	name: "avx512",
	conv: []convKernel{{4, 32, conv512x32}, {4, 16, conv512x16}, {4, 8, conv512x8}},
	weight: []weightKernel{
		{8, 32, weight512_8x32},
		{4, 32, weight512_4x32},
		{3, 32, weight512_3x32},
		{2, 32, weight512_2x32},
		{1, 32, weight512_1x32},
		{8, 16, weight512_8x16},
		{4, 16, weight512_4x16},
		{3, 16, weight512_3x16},
		{2, 16, weight512_2x16},
		{1, 16, weight512_1x16},
		{8, 8, weight512_8x8},
		{4, 8, weight512_4x8},
		{3, 8, weight512_3x8},
		{2, 8, weight512_2x8},
		{1, 8, weight512_1x8},
	},
	elem: []elemKernels{
		{16, [elemOps]func(*elemArgs){
			moments512, norm512, normReLU512, normAdd512, relu512,
			sums512, maskSums512, normBack512, mask512, add512,
		}, [tileOps]func(*tileArgs){spreadInput512, spreadOutput512, gatherOutput512}},
		elem256,
	},
	peak: peakLoop{2 * 16 * 12, peak512},
}

var avx2 = kernels{
	name: "avx2",
	conv: []convKernel{{3, 16, conv256x16}, {3, 8, conv256x8}},
	weight: []weightKernel{
		{6, 16, weight256_6x16},
		{4, 16, weight256_4x16},
		{3, 16, weight256_3x16},
		{2, 16, weight256_2x16},
		{1, 16, weight256_1x16},
		{6, 8, weight256_6x8},
		{4, 8, weight256_4x8},
		{3, 8, weight256_3x8},
		{2, 8, weight256_2x8},
		{1, 8, weight256_1x8},
	},
	elem: []elemKernels{elem256},
	peak: peakLoop{2 * 8 * 12, peak256},
}

var elem256 = elemKernels{8, [elemOps]func(*elemArgs){
	moments256, norm256, normReLU256, normAdd256, relu256,
	sums256, maskSums256, normBack256, mask256, add256,
}, [tileOps]func(*tileArgs){spreadInput256, spreadOutput256, gatherOutput256}}

// available lists the kernel sets this CPU can run, fastest first.
func available() []*kernels {
	var all []*kernels
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		all = append(all, &avx512)
	}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		all = append(all, &avx2)
	}
	return append(all, &generic)
}

func best() *kernels { return available()[0] }
