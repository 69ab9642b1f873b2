package control

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// testdata/bank.py wrote the values with the bank's first implementation in PyTorch.
func TestBankEqualsItsReference(t *testing.T) {
	const h, w = 48, 32
	rgb := make([]uint8, 3*h*w)
	for y := range h {
		for x := range w {
			for c := range 3 {
				rgb[3*(y*w+x)+c] = uint8(7*x + 13*y + 29*c + 3*x*y)
			}
		}
	}
	data, err := os.ReadFile("testdata/bank.f32")
	if err != nil {
		t.Fatal(err)
	}
	for s, m := range NewBank().Maps(rgb, h, w) {
		for i, v := range m {
			want := math.Float32frombits(binary.LittleEndian.Uint32(data))
			data = data[4:]
			if math.Abs(float64(v-want)) > 2e-3 {
				t.Fatalf("stage %d, value %d (channel %d): %v, want %v", s, i, i%BankChannels[s], v, want)
			}
		}
	}
	if len(data) != 0 {
		t.Errorf("%d bytes left", len(data))
	}
}

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
