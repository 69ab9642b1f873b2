package regular

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	file, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "fifo")
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	f, size, err := Open(file)
	if err != nil || size != 4 {
		t.Fatalf("%d bytes, %v", size, err)
	}
	defer f.Close()
	if text, err := io.ReadAll(f); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
	if text, err := ReadFile(file); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
	for _, path := range []string{dir, fifo, "/dev/null"} {
		_, _, err := Open(path)
		if err == nil || !strings.Contains(err.Error(), path+": not a regular file") {
			t.Errorf("%s: %v", path, err)
		}
		if _, again := ReadFile(path); again == nil || again.Error() != err.Error() {
			t.Errorf("%s: %v", path, again)
		}
	}
	if _, _, err := Open(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !InPlace(f) {
		t.Error("a new file is not in place")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if InPlace(f) {
		t.Error("a removed file is in place")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if InPlace(f) {
		t.Error("a replaced file is in place")
	}
}
