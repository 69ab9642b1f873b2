//go:build !purego

package vectors

import "golang.org/x/sys/cpu"

const needs = "neon"

var offers = []offer{
	{"neon", cpu.ARM64.HasASIMD},
	{"neondot", cpu.ARM64.HasASIMDDP},
	{"neoni8mm", cpu.ARM64.HasASIMD && cpu.ARM64.HasI8MM},
}
