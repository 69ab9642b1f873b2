// Package asmtest holds assembly against its generator and against GNU objdump.
package asmtest

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Current fails where a file in the folder above, the package's own, differs from what the generator writes.
func Current(t *testing.T, files map[string]string) {
	t.Helper()
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s differs from what gen writes: run go generate in the package's folder", name)
		}
	}
}

// Words fails where a word of arm64 machine code in text is not what its comment says, by GNU objdump.
func Words(t *testing.T, text string) {
	t.Helper()
	objdump, err := exec.LookPath("aarch64-linux-gnu-objdump")
	if err != nil {
		t.Skip("needs binutils-aarch64-linux-gnu")
	}
	var code []byte
	var want []string
	for line := range strings.Lines(text) {
		hex, mnemonic, ok := strings.Cut(strings.TrimSpace(line), " // ")
		hex = strings.TrimSuffix(hex, `; \`) // in a macro
		if hex, word := strings.CutPrefix(hex, "WORD $0x"); ok && word {
			v, err := strconv.ParseUint(hex, 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			code = binary.LittleEndian.AppendUint32(code, uint32(v))
			want = append(want, mnemonic)
		}
	}
	file := filepath.Join(t.TempDir(), "code")
	if err := os.WriteFile(file, code, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(objdump, "-D", "-b", "binary", "-m", "aarch64", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 2 && strings.HasSuffix(f[0], ":") && len(f[1]) == 8 {
			got = append(got, strings.Join(f[2:], " "))
		}
	}
	if len(got) != len(want) || len(want) == 0 {
		t.Fatalf("%d words, %d decoded", len(want), len(got))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("word %d says %q, is %q", i, want[i], got[i])
		}
	}
}
