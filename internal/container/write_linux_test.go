package container_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cull/internal/container"
)

// A folder that may be written but not read cannot be flushed: that is said before path is replaced. Root may read
// all, so a thread, which ends with the test, gives up being root for files.
func TestWriteFileInAFolderThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.net")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for d, mode := range map[string]os.FileMode{dir: 0o333, filepath.Dir(dir): 0o711} {
		if err := os.Chmod(d, mode); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(d, 0o700) //nolint:errcheck // for those that clean up
	}
	done, cannot := make(chan struct{}), ""
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		if os.Getuid() == 0 {
			unix.SetfsuidRetUid(65534)                                //nolint:errcheck // it never says: asked again it does
			if now, err := unix.SetfsuidRetUid(65534); now != 65534 { // a name space without that user
				cannot = fmt.Sprintf("root stays root for files: user %d, %v", now, err)
				return
			}
		}
		if _, err := os.Stat(path); err != nil {
			cannot = fmt.Sprintf("TMPDIR may not be entered: %v", err)
			return
		}
		if err := container.CanWrite(path); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("CanWrite: %v", err)
		}
		if err := container.WriteFile(path, []byte("new")); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("WriteFile: %v", err)
		}
	}()
	<-done
	if cannot != "" {
		t.Skip(cannot)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "old" {
		t.Errorf("after an error: %q, %v", got, err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	onlyEntry(t, dir, "a.net")
}
