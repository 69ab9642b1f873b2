package lock

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOneAtATime(t *testing.T) {
	dir := t.TempDir()
	f, err := Dir(dir)
	if err != nil {
		t.Fatalf("held: %v", err)
	}
	if _, err := Dir(dir); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second time: %v", err)
	}
	f.Close()
	if f, err = Dir(dir); err != nil {
		t.Fatalf("after its end: %v", err)
	}
	f.Close()
	if _, err := Dir(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}
