// Package container reads and writes the envelope that every file of cull
// shares: a header with a table of named sections, the SHA-256 of each, a
// digest of the header and room for an Ed25519 signature. doc/format-container.md
// gives it byte by byte.
//
// A parsed File aliases the bytes it was parsed from, so a memory-mapped file
// costs no copy: every section starts at a multiple of Align.
package container

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Errors a caller branches on. Each message says what to do.
var (
	ErrForeign   = errors.New("not a cull file")
	ErrKind      = errors.New("another kind of cull file")
	ErrNewer     = errors.New("written by a newer cull: update this program")
	ErrTruncated = errors.New("file is truncated: copy it again")
	ErrCorrupted = errors.New("file is corrupted: copy it again")
	ErrUnsigned  = errors.New("file is not signed: sign it or turn signatures off")
	ErrSigner    = errors.New("signed with another key: use the file of your own line")
	ErrSection   = errors.New("section is missing: write the file again")
)

// Sizes of the format, in bytes.
const (
	Align       = 64 // of every section
	MaxSections = 64
	MaxSize     = 1 << 30

	layout     = 1 // version of the envelope itself
	magic      = "\x89CULL\r\n\x1a"
	kindSize   = 8
	nameSize   = 24
	fixedSize  = 32
	entrySize  = nameSize + 8 + 8 + sha256.Size
	digestSize = sha256.Size
	signSize   = ed25519.PublicKeySize + ed25519.SignatureSize
)

// A Section is a named run of bytes. Names are 1 to 24 of a-z, 0-9, dot, dash and underscore.
type Section struct {
	Name string
	Data []byte
}

// A File is a container whose digests have been checked.
type File struct {
	Kind    string
	Version uint16 // of the kind's own format

	sections []Section
	digest   [sha256.Size]byte
	signer   ed25519.PublicKey // nil: not signed
}

// headerSize returns the bytes before the first section's padding.
func headerSize(sections int) int {
	return fixedSize + sections*entrySize + digestSize + signSize
}

func align(n int) int { return (n + Align - 1) &^ (Align - 1) }

// Encode returns the container of kind (1 to 8 letters) with these sections in this order.
func Encode(kind string, version uint16, sections []Section) ([]byte, error) {
	if !validName(kind, kindSize) {
		return nil, fmt.Errorf("container: kind %q: want 1 to %d of a-z 0-9 . - _", kind, kindSize)
	}
	if len(sections) == 0 || len(sections) > MaxSections {
		return nil, fmt.Errorf("container: %d sections: want 1 to %d", len(sections), MaxSections)
	}
	size := headerSize(len(sections))
	seen := make(map[string]bool, len(sections))
	for i, s := range sections {
		if !validName(s.Name, nameSize) || seen[s.Name] {
			return nil, fmt.Errorf("container: section %d: bad or repeated name %q", i, s.Name)
		}
		seen[s.Name] = true
		if len(s.Data) > MaxSize-align(size) {
			return nil, fmt.Errorf("container: section %q: file would exceed %d bytes", s.Name, MaxSize)
		}
		size = align(size) + len(s.Data)
	}

	b := make([]byte, size)
	copy(b, magic)
	copy(b[8:16], kind)
	le := binary.LittleEndian
	le.PutUint16(b[16:], version)
	le.PutUint16(b[18:], layout)
	le.PutUint32(b[20:], uint32(len(sections)))
	le.PutUint64(b[24:], uint64(size))
	at := headerSize(len(sections))
	for i, s := range sections {
		at = align(at)
		e := b[fixedSize+i*entrySize:][:entrySize]
		copy(e, s.Name)
		le.PutUint64(e[nameSize:], uint64(at))
		le.PutUint64(e[nameSize+8:], uint64(len(s.Data)))
		sum := sha256.Sum256(s.Data)
		copy(e[nameSize+16:], sum[:])
		at += copy(b[at:], s.Data)
	}
	table := fixedSize + len(sections)*entrySize
	sum := sha256.Sum256(b[:table])
	copy(b[table:], sum[:])
	return b, nil
}

// Parse checks b entirely and returns it as a file of kind, whose format this
// program knows up to version newest. The file keeps and aliases b.
//
// The error wraps ErrForeign, ErrKind, ErrNewer, ErrTruncated or ErrCorrupted.
func Parse(b []byte, kind string, newest uint16) (*File, error) {
	f, err := parse(b, kind, newest)
	if err != nil {
		return nil, fmt.Errorf("container: %w", err)
	}
	return f, nil
}

func parse(b []byte, kind string, newest uint16) (*File, error) {
	if n := min(len(b), len(magic)); string(b[:n]) != magic[:n] {
		return nil, ErrForeign
	}
	if len(b) < fixedSize {
		return nil, fmt.Errorf("%d bytes: %w", len(b), ErrTruncated)
	}
	le := binary.LittleEndian
	if v := le.Uint16(b[18:]); v != layout {
		return nil, fmt.Errorf("layout %d, known is %d: %w", v, layout, ErrNewer)
	}
	n := int(min(le.Uint32(b[20:]), MaxSections+1))
	if n == 0 || n > MaxSections {
		return nil, fmt.Errorf("section count: %w", ErrCorrupted)
	}
	header := headerSize(n)
	if len(b) < header {
		return nil, fmt.Errorf("header of %d bytes, file has %d: %w", header, len(b), ErrTruncated)
	}
	table := fixedSize + n*entrySize
	f := &File{Version: le.Uint16(b[16:]), digest: sha256.Sum256(b[:table])}
	if string(f.digest[:]) != string(b[table:table+digestSize]) {
		return nil, fmt.Errorf("header: %w", ErrCorrupted)
	}
	f.Kind = strings.TrimRight(string(b[8:16]), "\x00")
	if f.Kind != kind {
		return nil, fmt.Errorf("%w: %q, want %q", ErrKind, f.Kind, kind)
	}
	if f.Version > newest {
		return nil, fmt.Errorf("%s version %d, known up to %d: %w", kind, f.Version, newest, ErrNewer)
	}
	if size := le.Uint64(b[24:]); uint64(len(b)) < size {
		return nil, fmt.Errorf("%d of %d bytes: %w", len(b), size, ErrTruncated)
	} else if uint64(len(b)) > size {
		return nil, fmt.Errorf("%d bytes behind the end: %w", uint64(len(b))-size, ErrCorrupted)
	}
	if err := f.readSigner(b[table:]); err != nil {
		return nil, err
	}
	if err := f.readSections(b, n); err != nil {
		return nil, err
	}
	return f, nil
}

// readSigner checks the signature block: all zero, or a key and its valid
// signature of the header digest.
func (f *File) readSigner(b []byte) error {
	key := b[digestSize:][:ed25519.PublicKeySize]
	sig := b[digestSize+ed25519.PublicKeySize:][:ed25519.SignatureSize]
	if isZero(key) && isZero(sig) {
		return nil
	}
	if !ed25519.Verify(key, message(f.digest), sig) {
		return fmt.Errorf("signature: %w", ErrCorrupted)
	}
	f.signer = ed25519.PublicKey(key)
	return nil
}

// readSections checks that the n sections lie where Encode puts them, hold
// what the table says and have zeros between them.
func (f *File) readSections(b []byte, n int) error {
	f.sections = make([]Section, n)
	le := binary.LittleEndian
	end := headerSize(n)
	seen := make(map[string]bool, n)
	for i := range f.sections {
		e := b[fixedSize+i*entrySize:][:entrySize]
		name := strings.TrimRight(string(e[:nameSize]), "\x00")
		at, size := le.Uint64(e[nameSize:]), le.Uint64(e[nameSize+8:])
		if !validName(name, nameSize) || seen[name] {
			return fmt.Errorf("section %d: name: %w", i, ErrCorrupted)
		}
		seen[name] = true
		if at != uint64(align(end)) || at > uint64(len(b)) || size > uint64(len(b))-at {
			return fmt.Errorf("section %q: position: %w", name, ErrCorrupted)
		}
		if !isZero(b[end:at]) {
			return fmt.Errorf("padding before section %q: %w", name, ErrCorrupted)
		}
		end = int(at + size)
		data := b[at:end:end]
		if sum := sha256.Sum256(data); string(sum[:]) != string(e[nameSize+16:]) {
			return fmt.Errorf("section %q: %w", name, ErrCorrupted)
		}
		f.sections[i] = Section{name, data}
	}
	if end != len(b) {
		return fmt.Errorf("end of file: %w", ErrCorrupted)
	}
	return nil
}

// Section returns the bytes of a section, or an error wrapping ErrSection. They alias the parsed bytes.
func (f *File) Section(name string) ([]byte, error) {
	for _, s := range f.sections {
		if s.Name == name {
			return s.Data, nil
		}
	}
	return nil, fmt.Errorf("container: %q: %w", name, ErrSection)
}

// Sections returns all sections in file order.
func (f *File) Sections() []Section { return append([]Section(nil), f.sections...) }

// Digest returns the SHA-256 of the header, which holds the SHA-256 of every
// section: it names the contents. Signing does not change it.
func (f *File) Digest() [sha256.Size]byte { return f.digest }

// Signer returns the key the file was signed with, nil when it is not signed.
func (f *File) Signer() ed25519.PublicKey { return f.signer }

// Verify reports whether the holder of pub signed the file. The error wraps ErrUnsigned or ErrSigner.
func (f *File) Verify(pub ed25519.PublicKey) error {
	switch {
	case f.signer == nil:
		return fmt.Errorf("container: %w", ErrUnsigned)
	case !f.signer.Equal(pub):
		return fmt.Errorf("container: %w", ErrSigner)
	}
	return nil
}

// Sign signs an encoded container in place, replacing any earlier signature.
// It checks nothing but the shape of the header.
func Sign(b []byte, key ed25519.PrivateKey) error {
	if len(b) < fixedSize || string(b[:len(magic)]) != magic {
		return fmt.Errorf("container: sign: %w", ErrForeign)
	}
	n := binary.LittleEndian.Uint32(b[20:])
	if n == 0 || n > MaxSections || len(b) < headerSize(int(n)) {
		return fmt.Errorf("container: sign: %w", ErrCorrupted)
	}
	table := fixedSize + int(n)*entrySize
	digest := sha256.Sum256(b[:table])
	block := b[table+digestSize:][:signSize]
	copy(block, key.Public().(ed25519.PublicKey))
	copy(block[ed25519.PublicKeySize:], ed25519.Sign(key, message(digest)))
	return nil
}

// message is what is signed: the context, so that no other use of the key fits, and the digest.
func message(digest [sha256.Size]byte) []byte {
	return append([]byte("cull container 1\x00"), digest[:]...)
}

func validName(s string, size int) bool {
	if s == "" || len(s) > size {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-_") == ""
}

func isZero(b []byte) bool {
	var or byte
	for _, v := range b {
		or |= v
	}
	return or == 0
}
