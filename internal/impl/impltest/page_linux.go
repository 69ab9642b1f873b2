package impltest

import (
	"syscall"
	"testing"
)

// Page returns n bytes whose first (atStart), or whose last, touches a page that faults when it is read or
// written; the other side has such a page too, a part of a page away. The test binary ends at a fault.
func Page(t *testing.T, n int, atStart bool) []byte {
	t.Helper()
	page := syscall.Getpagesize()
	whole := (n + page - 1) / page * page
	b, err := syscall.Mmap(-1, 0, whole+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(b); err != nil {
			t.Error(err)
		}
	})
	for _, guard := range [][]byte{b[:page], b[page+whole:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	at := page
	if !atStart {
		at += whole - n
	}
	return b[at:][:n:n]
}
