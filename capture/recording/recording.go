// Package recording keeps a camera's frames in a file and plays them back bit for bit,
// sequence number and time of exposure included.
//
// The file begins with the 8 bytes "CULLREC" and 1. Each frame is a header of 48 bytes, little-endian,
// and its picture:
//
//	0  size of the picture, bytes, uint32     20 sequence number, uint32
//	4  pixel format, uint32                   24 time of exposure, ns, int64
//	8  width, height, stride, uint32          32 zero, 12 bytes
//	                                          44 CRC-32C of bytes 0 to 43 and the picture, uint32
//
// A note is a header whose pixel format, width, height and stride are zero, and up to 64 KiB of text.
// A file that a power cut left torn is read up to its last whole frame: ErrTorn wraps io.ErrUnexpectedEOF. It does not where whole
// frames lie behind one that seems to reach past the end: that is damage.
package recording

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"cull/capture"
	"cull/internal/regular"
)

const (
	magic      = "CULLREC\x01"
	headerSize = 48
	maxSide    = 1 << 14
	maxPicture = 1 << 28 // bytes
	maxNote    = 1 << 16 // bytes
)

// ErrTorn reports that the recording ends within a frame, or that a frame is damaged.
var ErrTorn = errors.New("recording: torn or damaged frame")

var errMagic = errors.New("not a recording of this version")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Writer writes a recording. It is not safe for concurrent use.
type Writer struct {
	w     io.Writer
	begun bool
	head  [headerSize]byte
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write appends f, which stays the caller's.
func (w *Writer) Write(f *capture.Frame) error {
	if err := check(f.Format, f.Width, f.Height, f.Stride, len(f.Pix)); err != nil {
		return err
	}
	return w.write(f)
}

// Note appends a text, which Source.Read returns and Source.Next skips.
func (w *Writer) Note(text []byte) error {
	if len(text) < 1 || len(text) > maxNote {
		return fmt.Errorf("recording: a note of %d bytes: must be 1 to %d", len(text), maxNote)
	}
	return w.write(&capture.Frame{Pix: text})
}

func (w *Writer) write(f *capture.Frame) error {
	if !w.begun {
		if _, err := io.WriteString(w.w, magic); err != nil {
			return fmt.Errorf("recording: %w", err)
		}
		w.begun = true
	}
	h := &w.head
	for i, v := range []uint32{
		uint32(len(f.Pix)), uint32(f.Format), uint32(f.Width), uint32(f.Height), uint32(f.Stride), f.Seq,
	} {
		binary.LittleEndian.PutUint32(h[4*i:], v)
	}
	binary.LittleEndian.PutUint64(h[24:], uint64(f.Mono))
	binary.LittleEndian.PutUint32(h[44:], sum(h, f.Pix))
	if _, err := w.w.Write(h[:]); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	if _, err := w.w.Write(f.Pix); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	return nil
}

func sum(h *[headerSize]byte, pix []byte) uint32 {
	return crc32.Update(crc32.Checksum(h[:44], castagnoli), castagnoli, pix)
}

func check(format capture.PixelFormat, width, height, stride, size int) error {
	if format < capture.Grey || format > capture.MJPEG || width < 1 || height < 1 || width > maxSide || height > maxSide ||
		stride < 0 || stride > 8*maxSide || size < 1 || int64(size) > most(format, stride, height) {
		return fmt.Errorf("recording: format %d, %dx%d, %d bytes a line, %d bytes are no frame",
			format, width, height, stride, size)
	}
	return nil
}

// most returns the bytes that a picture may have.
func most(format capture.PixelFormat, stride, height int) int64 {
	rows := int64(height)
	switch format {
	case capture.MJPEG:
		return maxPicture
	case capture.NV12:
		rows += (rows + 1) / 2
	}
	return min(rows*int64(stride), maxPicture)
}

// Source plays a recording, as fast as it is asked. It implements capture.Source.
type Source struct {
	name   string
	r      *bufio.Reader
	closer io.Closer
	rest   []string // files that follow
	lost   []error  // what Torn returns
	err    error    // sticky
}

// Ext ends the names of a recording's files in a directory.
const Ext = ".cullrec"

// Open opens the recording at path: a file, or a directory whose files are played one after the other, by name. In a
// directory a torn file is followed by the next one: it is what a killed writer leaves. So is one that is gone when its turn
// comes: a line that still records removes the oldest.
func Open(path string) (*Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	if !info.IsDir() {
		return openFile(path)
	}
	files, err := Files(path)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("recording: %s: no file *%s", path, Ext)
	}
	s := &Source{rest: files}
	switch err := s.follow(); {
	case errors.Is(err, io.EOF) && len(s.lost) > 0:
		return nil, s.lost[0]
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("recording: %s: nothing has been written to its files yet", path)
	case err != nil:
		return nil, err
	}
	return s, nil
}

// Files returns the paths of a recording's files in dir, shorter names first, then by name.
func Files(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	var files []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == Ext {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	slices.SortFunc(files, func(a, b string) int { // by number, be it of nine digits
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	return files, nil
}

func openFile(path string) (*Source, error) {
	f, _, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	s, err := New(path, f)
	if err != nil {
		f.Close()
		return nil, err
	}
	s.closer = f
	return s, nil
}

// follow goes on with the next file of a directory. One that its writer had just begun is empty; one that is no
// recording, such as the zeros that a power cut leaves, is lost as a torn one is.
func (s *Source) follow() error {
	for len(s.rest) > 0 {
		path := s.rest[0]
		s.rest = s.rest[1:]
		next, err := openFile(path)
		if info, e := os.Stat(path); err != nil && e == nil && info.Size() < int64(len(magic)) {
			continue
		}
		if errors.Is(err, errMagic) || errors.Is(err, fs.ErrNotExist) {
			s.lost = append(s.lost, err)
			continue
		}
		if err != nil {
			return err
		}
		if s.closer != nil {
			s.closer.Close() //nolint:errcheck // it was only read
		}
		s.name, s.r, s.closer = next.name, next.r, next.closer
		return nil
	}
	return io.EOF
}

// New returns the recording in r. name is for errors.
func New(name string, r io.Reader) (*Source, error) {
	s := &Source{name: name, r: bufio.NewReaderSize(r, 1<<16)}
	var b [len(magic)]byte
	if _, err := io.ReadFull(s.r, b[:]); err != nil || string(b[:]) != magic {
		return nil, fmt.Errorf("recording: %s: %w", name, errMagic)
	}
	return s, nil
}

// Next implements capture.Source: io.EOF after the last frame, ErrTorn where the file is torn.
func (s *Source) Next(ctx context.Context) (*capture.Frame, error) {
	for {
		f, _, err := s.Read(ctx)
		if f != nil || err != nil {
			return f, err
		}
	}
}

// Name returns the path of the file that is being read.
func (s *Source) Name() string { return s.name }

// Torn returns what ended files before their end and was passed over, because another file followed. Of a file that was
// removed before it was read, it is fs.ErrNotExist.
func (s *Source) Torn() []error { return s.lost }

// Read returns the next frame, or the next note. Errors are those of Next.
func (s *Source) Read(ctx context.Context) (f *capture.Frame, note []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	for s.err == nil {
		if f, note, err = s.read(); err == nil {
			return f, note, nil
		}
		s.err = err
		if len(s.rest) > 0 && (errors.Is(err, io.EOF) || errors.Is(err, ErrTorn)) {
			if errors.Is(err, ErrTorn) {
				s.lost = append(s.lost, err)
			}
			s.err = s.follow()
		}
	}
	return nil, nil, s.err
}

func (s *Source) read() (*capture.Frame, []byte, error) {
	var h [headerSize]byte
	if n, err := io.ReadFull(s.r, h[:]); err != nil {
		if n == 0 && errors.Is(err, io.EOF) {
			return nil, nil, io.EOF
		}
		return nil, nil, s.torn(err)
	}
	f, size, err := parse(&h)
	if err != nil {
		return nil, nil, s.torn(err)
	}
	f.Pix = make([]byte, 0, min(size, 1<<20)) // what a damaged size asks for is not allocated at once
	for len(f.Pix) < size {
		n := len(f.Pix)
		f.Pix = append(f.Pix, make([]byte, min(size-n, 1<<20))...)
		if got, err := io.ReadFull(s.r, f.Pix[n:]); err != nil {
			return nil, nil, s.torn(tooShort(f.Pix[:n+got], err))
		}
	}
	if !whole(&h, f.Pix) {
		return nil, nil, s.torn(errors.New("wrong checksum"))
	}
	if f.Format == 0 {
		return nil, f.Pix, nil
	}
	return capture.NewFrame(f, nil), nil, nil
}

// parse returns the frame of a header, without its picture, and the picture's size. A note has no format.
func parse(h *[headerSize]byte) (f capture.Frame, size int, err error) {
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(h[4*i:]) }
	side := func(i int) int { return int(min(word(i), 1<<30)) }
	f = capture.Frame{
		Format: capture.PixelFormat(min(word(1), 255)), Width: side(2), Height: side(3), Stride: side(4), Seq: word(5),
		Mono: time.Duration(binary.LittleEndian.Uint64(h[24:])),
	}
	size = side(0)
	if f.Format == 0 && f.Width == 0 && f.Height == 0 && f.Stride == 0 && size > 0 && size <= maxNote {
		return f, size, nil
	}
	return f, size, check(f.Format, f.Width, f.Height, f.Stride, size)
}

func whole(h *[headerSize]byte, pix []byte) bool {
	return sum(h, pix) == binary.LittleEndian.Uint32(h[44:])
}

// tooShort returns why only rest was there of a picture. A writer that is killed leaves nothing behind it: a whole frame in rest
// shows that the size is wrong.
func tooShort(rest []byte, err error) error {
	if errors.Is(err, io.EOF) { // no byte of the last read
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, io.ErrUnexpectedEOF) && holdsFrame(rest) {
		return errors.New("wrong size: whole frames follow")
	}
	return err
}

func holdsFrame(b []byte) bool {
	var zero [12]byte
	for budget := 4 * len(b); len(b) > headerSize && budget > 0; b = b[1:] { // hostile bytes may look like many headers
		size := binary.LittleEndian.Uint32(b)
		if size == 0 || size > uint32(len(b)-headerSize) || !bytes.Equal(b[32:44], zero[:]) {
			continue
		}
		h := (*[headerSize]byte)(b)
		if _, _, err := parse(h); err != nil {
			continue
		}
		budget -= int(size)
		if whole(h, b[headerSize:headerSize+int(size)]) {
			return true
		}
	}
	return false
}

func (s *Source) torn(err error) error { return fmt.Errorf("%w: %s: %w", ErrTorn, s.name, err) }

// Close ends the recording: Next returns io.EOF.
func (s *Source) Close() error {
	s.err, s.rest = io.EOF, nil
	if c := s.closer; c != nil {
		s.closer = nil
		return c.Close()
	}
	return nil
}
