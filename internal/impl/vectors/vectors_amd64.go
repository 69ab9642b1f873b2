//go:build !purego

package vectors

import "golang.org/x/sys/cpu"

const needs = "avx2"

var offers = []offer{
	{"avx2", cpu.X86.HasAVX2},
	{"avx512vnni", cpu.X86.HasAVX2 && cpu.X86.HasAVX512VNNI},
}
