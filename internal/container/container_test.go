package container_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"cull/internal/container"
)

var sections = []container.Section{
	{Name: "meta", Data: []byte(`{"name":"x"}`)},
	{Name: "empty", Data: []byte{}},
	{Name: "weights", Data: bytes.Repeat([]byte{1, 2, 3}, 50)},
}

func encode(t testing.TB) []byte {
	t.Helper()
	b, err := container.Encode("net", 3, sections)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func key(first byte) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = first
	return ed25519.NewKeyFromSeed(seed)
}

func signed(t testing.TB) []byte {
	t.Helper()
	b := encode(t)
	if err := container.Sign(b, key(1)); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	b := encode(t)
	f, err := container.Parse(b, "net", 3)
	if err != nil {
		t.Fatal(err)
	}
	if f.Kind != "net" || f.Version != 3 || f.Signer() != nil || len(f.Sections()) != len(sections) {
		t.Errorf("%+v", f)
	}
	for _, s := range sections {
		got, err := f.Section(s.Name)
		if err != nil || !bytes.Equal(got, s.Data) {
			t.Errorf("section %s: %q, %v", s.Name, got, err)
		}
		if at := bytes.Index(b, s.Data); len(s.Data) > 0 && at%container.Align != 0 {
			t.Errorf("section %s at %d", s.Name, at)
		}
	}
	if _, err := f.Section("none"); !errors.Is(err, container.ErrSection) {
		t.Errorf("missing section: %v", err)
	}
	if again := encode(t); !bytes.Equal(b, again) {
		t.Error("two encodings differ")
	}
}

func TestSignature(t *testing.T) {
	plain, err := container.Parse(encode(t), "net", 3)
	if err != nil {
		t.Fatal(err)
	}
	f, err := container.Parse(signed(t), "net", 3)
	if err != nil {
		t.Fatal(err)
	}
	mine, other := key(1).Public().(ed25519.PublicKey), key(2).Public().(ed25519.PublicKey)
	if f.Digest() != plain.Digest() {
		t.Error("signing changed the digest")
	}
	if err := f.Verify(mine); err != nil || !f.Signer().Equal(mine) {
		t.Errorf("own key: %v", err)
	}
	if err := f.Verify(other); !errors.Is(err, container.ErrSigner) {
		t.Errorf("other key: %v", err)
	}
	if err := plain.Verify(mine); !errors.Is(err, container.ErrUnsigned) {
		t.Errorf("unsigned: %v", err)
	}
	b := signed(t)
	if err := container.Sign(b, key(2)); err != nil {
		t.Fatal(err)
	}
	if f, err = container.Parse(b, "net", 3); err != nil || f.Verify(other) != nil {
		t.Errorf("signed again: %v", err)
	}
	for n := range len(b) {
		_ = container.Sign(b[:n], key(1)) // any prefix: an error or not, never a panic
	}
}

func TestTruncatedAtEveryByte(t *testing.T) {
	for _, b := range [][]byte{encode(t), signed(t)} {
		for n := range b {
			if _, err := container.Parse(b[:n], "net", 3); !errors.Is(err, container.ErrTruncated) {
				t.Fatalf("first %d bytes of %d: %v", n, len(b), err)
			}
		}
		if _, err := container.Parse(append(b, 0), "net", 3); !errors.Is(err, container.ErrCorrupted) {
			t.Errorf("one byte too many: %v", err)
		}
	}
}

func TestEveryBitFlipIsFound(t *testing.T) {
	for _, b := range [][]byte{encode(t), signed(t)} {
		for i := range b {
			for bit := range 8 {
				b[i] ^= 1 << bit
				if _, err := container.Parse(b, "net", 3); err == nil {
					t.Fatalf("bit %d of byte %d flipped: no error", bit, i)
				}
				b[i] ^= 1 << bit
			}
		}
	}
}

func TestErrorsSayWhat(t *testing.T) {
	flip := func(b []byte, at int) []byte { b[at] ^= 1; return b }
	b := encode(t)
	for _, c := range []struct {
		b      []byte
		kind   string
		newest uint16
		is     error
		text   string
	}{
		{b, "product", 3, container.ErrKind, `"net", want "product"`},
		{b, "net", 2, container.ErrNewer, "version 3, known up to 2"},
		{[]byte("PK\x03\x04 a zip archive that is long enough"), "net", 3, container.ErrForeign, ""},
		{nil, "net", 3, container.ErrTruncated, ""},
		{flip(encode(t), 18), "net", 3, container.ErrNewer, "layout"},
		{flip(encode(t), len(b)-1), "net", 3, container.ErrCorrupted, `"weights"`},
		{flip(encode(t), bytes.Index(b, sections[0].Data)), "net", 3, container.ErrCorrupted, `"meta"`},
		{flip(encode(t), 40), "net", 3, container.ErrCorrupted, "header"},
	} {
		_, err := container.Parse(c.b, c.kind, c.newest)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("error %v, want %v with %q", err, c.is, c.text)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	x := container.Section{Name: "x"}
	for _, c := range []struct {
		kind     string
		sections []container.Section
	}{
		{"", []container.Section{x}},
		{"toolongkind", []container.Section{x}},
		{"net", nil},
		{"net", []container.Section{x, x}},
		{"net", []container.Section{{Name: "Upper"}}},
		{"net", []container.Section{{Name: strings.Repeat("x", 25)}}},
		{"net", make([]container.Section, container.MaxSections+1)},
	} {
		if _, err := container.Encode(c.kind, 1, c.sections); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.net")
	for _, want := range []string{"old", "new and longer"} {
		if err := container.WriteFile(path, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%q, %v", got, err)
		}
	}
	onlyEntry(t, dir, "a.net")
}

// A link that names the product in use goes on naming the same file.
func TestWriteFileBehindALink(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	link, file := filepath.Join(dir, "current.product"), filepath.Join(elsewhere, "caps.product")
	if err := errors.Join(os.WriteFile(file, []byte("old"), 0o600), os.Symlink(file, link)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(container.CanWrite(link), container.WriteFile(link, []byte("new"))); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(link); err != nil || to != file {
		t.Errorf("the link names %q, %v", to, err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "new" {
		t.Errorf("%q, %v", got, err)
	}
	onlyEntry(t, dir, "current.product")
	onlyEntry(t, elsewhere, "caps.product")
}

func TestWriteFileLeavesNothingHalf(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.net")
	if err := container.WriteFile(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	// A file size limit stands for the full disk.
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	limit := before
	limit.Cur = 1 << 16
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	err := container.WriteFile(path, make([]byte, 1<<17))
	if e := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); e != nil {
		t.Fatal(e)
	}
	if !errors.Is(err, syscall.EFBIG) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "old" {
		t.Errorf("after a failed write: %q, %v", got, err)
	}
	onlyEntry(t, dir, "a.net")
}

// What the writer of the contents says is its own business, and leaves nothing either.
func TestWriteGivenUp(t *testing.T) {
	dir := t.TempDir()
	interrupted := errors.New("interrupted")
	err := container.Write(filepath.Join(dir, "a.jsonl"), func(w io.Writer) error {
		if _, err := w.Write(make([]byte, 1<<17)); err != nil {
			return err
		}
		return interrupted
	})
	if err != interrupted { //nolint:errorlint // unwrapped, which is the point
		t.Errorf("error %v", err)
	}
	onlyEntry(t, dir)
}

func TestWriteFileUnwritable(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		filepath.Join(file, "a.net"), filepath.Join(dir, "none", "a.net"), filepath.Join(dir, "folder"), fifo,
	} {
		if err := container.CanWrite(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("CanWrite %s: %v", path, err)
		}
		if err := container.WriteFile(path, []byte("x")); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{file, filepath.Join(dir, "new")} {
		if err := container.CanWrite(path); err != nil {
			t.Errorf("CanWrite: %v", err)
		}
	}
	onlyEntry(t, dir, "fifo", "file", "folder")
}

func onlyEntry(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, want) {
		t.Errorf("folder holds %q, want %q", names, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encode(f))
	f.Add(signed(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := container.Parse(b, "net", 3)
		if err != nil {
			return
		}
		again, err := container.Encode(file.Kind, file.Version, file.Sections())
		if err != nil {
			t.Fatal(err)
		}
		if file.Signer() == nil && !bytes.Equal(b, again) {
			t.Error("a parsed file does not encode to its own bytes")
		}
	})
}

// Whatever is done to a file that is open: replaced, written over in place as cp does it, cut short.
func TestOpenedFileOutlivesWhatIsDoneToIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	old := bytes.Repeat([]byte("old "), 5000)
	for name, change := range map[string]func() error{
		"replaced": func() error { return container.WriteFile(path, []byte("new")) },
		"written over": func() error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.Write(bytes.Repeat([]byte("new "), 5000))
			return errors.Join(err, f.Close())
		},
		"cut short": func() error { return os.Truncate(path, 1) },
	} {
		if err := container.WriteFile(path, old); err != nil {
			t.Fatal(err)
		}
		data, release, err := container.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(data, old) {
			t.Errorf("%s: what was opened changed", name)
		}
		if err := release(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := container.Open(dir); err == nil {
		t.Error("a folder was opened")
	}
	if _, _, err := container.Open(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	data, release, err := container.Open(empty)
	if err != nil || len(data) != 0 {
		t.Errorf("empty file: %d bytes, %v", len(data), err)
	} else if err := release(); err != nil {
		t.Error(err)
	}
}
