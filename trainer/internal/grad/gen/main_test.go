package main

import (
	"os"
	"testing"
)

func TestCommittedAssemblyIsTheGenerators(t *testing.T) {
	asm, stubs := generate()
	for name, want := range map[string]string{"../kern_amd64.s": asm, "../stubs_amd64.go": stubs} {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is out of date: run go generate in trainer/internal/grad", name)
		}
	}
}
