package control

import (
	"math/rand/v2"
	"testing"
)

func BenchmarkBank(b *testing.B) {
	rgb := make([]uint8, 96*96*3)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range rgb {
		rgb[i] = uint8(r.Uint32())
	}
	bank := NewBank()
	for b.Loop() {
		bank.Maps(rgb, 96, 96)
	}
}
