package imagefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/jpeg"
	"maps"
	"slices"
	"testing"

	"golang.org/x/image/tiff"
)

// directory is TIFF data whose first directory holds one number.
func directory(order binary.AppendByteOrder, id, value uint16) []byte {
	data := []byte("II*\x00")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		data = []byte("MM\x00*")
	}
	data = order.AppendUint32(data, 8)
	data = order.AppendUint16(data, 1)
	data = order.AppendUint16(order.AppendUint16(data, id), 3)
	data = order.AppendUint32(data, 1)
	data = order.AppendUint16(order.AppendUint16(data, value), 0)
	return order.AppendUint32(data, 0)
}

// withExif returns data, a JPEG, with an Exif segment behind one of another kind.
func withExif(data, exif []byte) []byte {
	segment := append([]byte("Exif\x00\x00"), exif...)
	other := []byte{0xff, 0xe0, 0, 4, 1, 2, 0xff} // and a byte of fill
	head := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(2+len(segment)))
	return slices.Concat(data[:2], other, head, segment, data[2:])
}

// withChunk returns data, a PNG, with a chunk before its end.
func withChunk(data []byte, kind string, chunk []byte) []byte {
	out := binary.BigEndian.AppendUint32(bytes.Clone(data[:len(data)-12]), uint32(len(chunk)))
	out = append(append(out, kind...), chunk...)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[len(out)-len(chunk)-4:]))
	return append(out, data[len(data)-12:]...)
}

// withTag returns data, a little-endian TIFF, with one more number in its directory.
func withTag(data []byte, id, value uint16) []byte {
	order := binary.LittleEndian
	at := int(order.Uint32(data[4:]))
	n := int(order.Uint16(data[at:]))
	out := bytes.Clone(data)
	order.PutUint32(out[4:], uint32(len(out)))
	out = order.AppendUint16(out, uint16(n+1))
	added := directory(order, id, value)[10:22]
	for i := range n {
		e := data[at+2+12*i:][:12]
		if added != nil && order.Uint16(e) > id {
			out, added = append(out, added...), nil
		}
		out = append(out, e...)
	}
	return append(append(out, added...), 0, 0, 0, 0)
}

func jpegOf(t testing.TB) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, colours(), nil); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func tiffOf(t testing.TB) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := tiff.Encode(&buf, colours(), nil); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// image/jpeg keeps every coefficient of a progressive JPEG: 394 kB were seen to take 982 MB.
func TestProgressiveJPEGsTakeMoreMemory(t *testing.T) {
	var grey bytes.Buffer
	if err := jpeg.Encode(&grey, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		data    []byte
		marker  byte // of the frame
		side    uint16
		between string // segments
		want    string
	}{
		{jpegOf(t), 0xc0, 8192, "", ""},
		{jpegOf(t), 0xc2, 8192, "", "8192x8192 pixels, 960 MiB in memory, at most 256: picture is too large"},
		{jpegOf(t), 0xc2, 8192, "\xff\x00\xc2 ", "8192x8192 pixels, 960 MiB in memory, at most 256: picture is too large"},
		{jpegOf(t), 0xc2, 4096, "", ""},
		{grey.Bytes(), 0xc0, 8192, "", ""},
		{grey.Bytes(), 0xc2, 8192, "", "8192x8192 pixels, 320 MiB in memory, at most 256: picture is too large"},
		{grey.Bytes(), 0xc2, 7168, "", ""},
	} {
		at := bytes.Index(c.data, []byte{0xff, 0xc0})
		data := slices.Concat(c.data[:at], []byte(c.between), c.data[at:])
		at += len(c.between)
		data[at+1] = c.marker
		binary.BigEndian.PutUint16(data[at+5:], c.side)
		binary.BigEndian.PutUint16(data[at+7:], c.side)
		_, err := Decode(data)
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrTooLarge) || err.Error() != c.want) {
			t.Errorf("frame %x, %d px: %v, want %q", c.marker, c.side, err, c.want)
		}
	}
}

// A picture that is stored turned is refused, whatever the file: a mask would lie elsewhere than it was drawn.
func TestTurnedPicturesAreRefused(t *testing.T) {
	whole := encodePNG(t, colours())
	for o := range uint16(10) {
		files := map[string][]byte{
			"jpeg, little endian": withExif(jpegOf(t), directory(binary.LittleEndian, tagOrientation, o)),
			"jpeg, big endian":    withExif(jpegOf(t), directory(binary.BigEndian, tagOrientation, o)),
			"png":                 withChunk(whole, "eXIf", directory(binary.BigEndian, tagOrientation, o)),
			"tiff":                withTag(tiffOf(t), tagOrientation, o),
		}
		for name, data := range files {
			_, err := Decode(data)
			if o < 2 && err != nil {
				t.Errorf("%s: orientation %d: %v", name, o, err)
			}
			if want := fmt.Sprintf("picture is stored turned (EXIF orientation %d)", o); o > 1 &&
				(!errors.Is(err, ErrTurned) || err.Error() != want || Remedy(err) == "") {
				t.Errorf("%s: %v, want %s", name, err, want)
			}
			if _, err := decodeMask(data); o > 1 && !errors.Is(err, ErrTurned) && !errors.Is(err, ErrLossy) {
				t.Errorf("%s as a mask: %v", name, err)
			}
		}
	}
}

// TIFF 6.0 has readers accept a number in every unsigned type.
func TestTagsOfAnyUnsignedType(t *testing.T) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for kind, value := range map[uint16][]byte{1: {3, 0, 0, 0}, 3: order.AppendUint16(nil, 3), 4: order.AppendUint32(nil, 3)} {
			for id, want := range map[uint16]error{tagOrientation: ErrTurned, tagCompression: ErrFax} {
				data := directory(order, id, 0)
				copy(data[12:], order.AppendUint16(nil, kind))
				copy(data[18:], value)
				if err := checkTags(data, "tiff"); !errors.Is(err, want) {
					t.Errorf("%v, type %d: %v, want %v", order, kind, err, want)
				}
			}
		}
	}
}

// What cannot be read in a picture's tags says nothing: the picture is as good as one without them.
func TestMalformedTagsAreNone(t *testing.T) {
	turned := directory(binary.LittleEndian, tagOrientation, 6)
	for n := range turned[:20] {
		for name, data := range map[string][]byte{
			"jpeg": withExif(jpegOf(t), turned[:n:n]), "png": withChunk(encodePNG(t, colours()), "eXIf", turned[:n:n]),
		} {
			if _, err := Decode(data); err != nil {
				t.Errorf("%s, %d bytes: %v", name, n, err)
			}
		}
	}
	far := bytes.Clone(turned)
	binary.LittleEndian.PutUint32(far[4:], 0xffffffff)
	text := bytes.Clone(turned)
	text[12] = 2 // type ASCII
	many := bytes.Clone(turned)
	many[14] = 2 // two numbers
	for _, exif := range [][]byte{far, text, many, directory(binary.BigEndian, 0x0100, 6)} {
		if _, err := Decode(withExif(jpegOf(t), exif)); err != nil {
			t.Errorf("%x: %v", exif, err)
		}
	}
	inJPEG, inPNG := withExif(jpegOf(t), turned), withChunk(encodePNG(t, colours()), "eXIf", turned)
	for n := range inJPEG { // cut before, within and behind what is sought
		whole := n >= bytes.Index(inJPEG, turned)+len(turned)
		if got := exifOfJPEG(inJPEG[:n:n]); whole != (got != nil) || whole && !bytes.Equal(got, turned) {
			t.Errorf("%d bytes of a JPEG: %x", n, got)
		}
	}
	for n := range inPNG {
		whole := n >= bytes.Index(inPNG, turned)+len(turned)+4 // the checksum
		if got := chunkOfPNG(inPNG[:n:n], "eXIf"); whole != (got != nil) || whole && !bytes.Equal(got, turned) {
			t.Errorf("%d bytes of a PNG: %x", n, got)
		}
	}
}

// golang.org/x/image/tiff shows fax pages in which 0 is black as their negative.
func TestFaxCompressionIsRefused(t *testing.T) {
	for _, c := range []uint16{2, 3, 4} {
		data := directory(binary.BigEndian, tagCompression, c)
		if err := checkTags(data, "tiff"); !errors.Is(err, ErrFax) || Remedy(err) == "" {
			t.Errorf("compression %d: %v", c, err)
		}
	}
	page := tiffOf(t)
	page[bytes.Index(page, []byte{3, 1, 3, 0, 1, 0, 0, 0})+8] = 4 // compression
	if _, err := Decode(page); !errors.Is(err, ErrFax) {
		t.Errorf("a page: %v", err)
	}
	for _, c := range []uint16{1, 5, 8, 32773} {
		if err := checkTags(directory(binary.BigEndian, tagCompression, c), "tiff"); err != nil {
			t.Errorf("compression %d: %v", c, err)
		}
	}
}

// tiffWith returns a TIFF of 16 x 4 pixels of data with the numbers of tags, behind its size; bits is a tag of its own, for it may be
// several numbers.
func tiffWith(data []byte, bits []uint16, tags map[uint16]uint32) []byte {
	order := binary.LittleEndian
	all := map[uint16]uint32{0x0100: 16, 0x0101: 4, tagBits: 0}
	maps.Copy(all, tags)
	behind := 8 + 2 + 12*len(all) + 4
	out := order.AppendUint32([]byte("II*\x00"), 8)
	out = order.AppendUint16(out, uint16(len(all)))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		count, value := uint32(1), all[id]
		switch {
		case id == tagBits && len(bits) > 2:
			count, value = uint32(len(bits)), uint32(behind)
		case id == tagBits:
			value = uint32(bits[0])
		case id == 0x0111 || id == 0x0144: // where strip or tile begins
			value = uint32(behind + 2*len(bits))
		}
		kind := uint16(4)
		if id == tagBits {
			kind = 3
		}
		out = order.AppendUint16(order.AppendUint16(out, id), kind)
		out = order.AppendUint32(order.AppendUint32(out, count), value)
	}
	out = order.AppendUint32(out, 0)
	for _, b := range bits {
		out = order.AppendUint16(out, b)
	}
	return append(out, data...)
}

// golang.org/x/image/tiff reads the refused ones without an error: each eight pixels mirrored, red as all of a colour, grey and alpha in
// turn as grey.
func TestUnusualLayoutsAreRefused(t *testing.T) {
	strip := map[uint16]uint32{0x0106: 1, 0x0111: 0, 0x0116: 4}
	tile := map[uint16]uint32{0x0106: 2, 0x0142: 16, 0x0143: 16, 0x0144: 0, 0x0145: 768}
	with := func(tags map[uint16]uint32, more ...uint32) map[uint16]uint32 {
		tags = maps.Clone(tags)
		for i := 0; i < len(more); i += 2 {
			tags[uint16(more[i])] = more[i+1]
		}
		return tags
	}
	for _, c := range []struct {
		size int // of the data
		bits []uint16
		tags map[uint16]uint32
		want string
	}{
		{8, []uint16{1}, with(strip, tagFillOrder, 2, 0x0117, 8), "(fill order 2)"},
		{8, []uint16{1}, with(strip, tagFillOrder, 1, 0x0117, 8), ""},
		{768, []uint16{8, 8, 8}, with(tile, tagSamples, 3, tagPlanar, 2), "(planar configuration 2)"},
		{768, []uint16{8, 8, 8}, with(tile, tagSamples, 3, tagPlanar, 1), ""},
		{64, []uint16{8}, with(strip, tagSamples, 1, tagPlanar, 2, 0x0117, 64), ""},
		{128, []uint16{8}, with(strip, tagSamples, 2, 0x0117, 128), "(2 samples of one bit depth)"},
	} {
		data := tiffWith(make([]byte, c.size), c.bits, c.tags)
		for name, read := range map[string]func([]byte) error{
			"picture": func(b []byte) error { _, err := Decode(b); return err },
			"mask":    func(b []byte) error { _, err := decodeMask(b); return err },
		} {
			err := read(data)
			if c.want == "" && err != nil {
				t.Errorf("%s %v: %v", name, c.tags, err)
			}
			if c.want != "" && (!errors.Is(err, ErrLayout) || err.Error() != "TIFF in an unusual layout "+c.want || Remedy(err) == "") {
				t.Errorf("%s: %v, want %s", name, err, c.want)
			}
		}
	}
}

// Of several numbers golang.org/x/image/tiff takes the first: a strip's compression and rows passed by the bounds so.
func TestTagsOfSeveralNumbersAreRefused(t *testing.T) {
	order := binary.LittleEndian
	for _, id := range []uint16{tagCompression, tagFillOrder, tagRows} {
		data := tiffWith(make([]byte, 64), []uint16{8}, map[uint16]uint32{
			tagCompression: 1, 0x0106: 1, tagFillOrder: 1, 0x0111: 0, tagRows: 4, 0x0117: 64,
		})
		if _, err := Decode(data); err != nil {
			t.Fatal(err)
		}
		e := entry(data, order, 8, id)
		order.PutUint16(e[2:], 3)
		order.PutUint32(e[4:], 2)
		want := fmt.Sprintf("TIFF in an unusual layout (several numbers of tag %d)", id)
		if _, err := Decode(data); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// golang.org/x/image/tiff inflates a strip to more than the picture takes: one of 522 kB was seen to take 2.1 GB.
func TestLargeStripsOfACompressedTIFFTakeMoreMemory(t *testing.T) {
	with := func(side uint32, tags ...uint32) []byte {
		all := map[uint16]uint32{0x0100: side, 0x0101: side, 0x0106: 1, 0x0111: 0}
		for i := 0; i < len(tags); i += 2 {
			all[uint16(tags[i])] = tags[i+1]
		}
		return tiffWith(nil, []uint16{8}, all)
	}
	for _, c := range []struct {
		data []byte
		want string
	}{
		{with(8192, tagCompression, 1, tagRows, 8192), ""},
		{with(8192, tagCompression, 8, tagRows, 8192), "8192x8192 pixels, 2112 MiB in memory, at most 256: picture is too large"},
		{with(8192, tagCompression, 5), "8192x8192 pixels, 2112 MiB in memory, at most 256: picture is too large"},
		{with(8192, tagCompression, 8, tagRows, 256), ""},
		{with(2048, tagCompression, 5, tagRows, 2048), ""},
		{with(8192, tagCompression, 8, tagTileWidth, 1024, tagTileHeight, 1024), ""},
		{with(8192, tagCompression, 8, tagTileWidth, 8192, tagTileHeight, 1024), "8192x8192 pixels, 320 MiB in memory, at most 256: picture is too large"},
		{with(2048, tagCompression, 8, tagTileWidth, 1<<31, tagTileHeight, 1<<31), "2048x2048 pixels, 292 MiB in memory, at most 256: picture is too large"},
	} {
		_, _, err := config(c.data)
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrTooLarge) || err.Error() != c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// A file of two pictures was judged by its first, and a bad part in the second passed.
func TestSeveralPicturesInATIFFAreRefused(t *testing.T) {
	one := tiffOf(t)
	at := int(binary.LittleEndian.Uint32(one[4:]))
	link := at + 2 + 12*int(binary.LittleEndian.Uint16(one[at:])) // to the next directory
	with := func(data []byte, next uint32) []byte {
		binary.LittleEndian.PutUint32(data[link:], next)
		return data
	}
	behind := func(kind uint16) []byte { // the first directory, and one of that kind behind the file
		second := directory(binary.LittleEndian, tagSubfile, kind)[8:]
		return append(with(bytes.Clone(one), uint32(len(one))), second...)
	}
	third := func(kind uint16) []byte { // and one of that kind behind a small one
		data := behind(1)
		binary.LittleEndian.PutUint32(data[len(data)-4:], uint32(len(data)))
		return append(data, directory(binary.LittleEndian, tagSubfile, kind)[8:]...)
	}
	round := behind(1)
	binary.LittleEndian.PutUint32(round[len(round)-4:], uint32(len(one)))
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"one":                      {one, nil},
		"two":                      {behind(0), ErrPages},
		"two pages":                {behind(2), ErrPages},
		"one with a small one":     {behind(1), nil},
		"one with a mask":          {behind(4), nil},
		"two behind a small one":   {third(0), ErrPages},
		"one with two small ones":  {third(1), nil},
		"small ones without end":   {round, ErrPages},
		"a small one of another":   {withTag(one, tagSubfile, 1), ErrPages},
		"none behind the file":     {with(bytes.Clone(one), uint32(len(one))), nil},
		"none where the file ends": {with(bytes.Clone(one), 1<<32-1), nil},
	} {
		if _, err := Decode(c.data); !errors.Is(err, c.want) || c.want != nil && Remedy(err) == "" {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if _, err := decodeMask(c.data); !errors.Is(err, c.want) {
			t.Errorf("%s as a mask: %v, want %v", name, err, c.want)
		}
	}
}
