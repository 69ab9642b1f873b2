package imagefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"iter"
)

// ErrTurned reports a picture whose pixels lie otherwise than it is shown: what a person draws on it, a mask or a
// region, would lie elsewhere.
var ErrTurned = errors.New("picture is stored turned")

// ErrFax reports a TIFF in a compression of fax machines (CCITT). Whether a bit is black depends on a tag that the decoder
// does not heed.
var ErrFax = errors.New("TIFF in a fax compression")

// ErrLayout reports a TIFF whose bits or samples lie in an order that its decoder takes for the usual one: pixels would come out
// wrong, or elsewhere.
var ErrLayout = errors.New("TIFF in an unusual layout")

// ErrPages reports a TIFF of several pictures. Its decoder gives the first: what else is in the file nobody would judge.
var ErrPages = errors.New("TIFF of several pictures")

// Remedy says how to mend a picture that is refused though it is whole; empty for other errors.
func Remedy(err error) string {
	switch {
	case errors.Is(err, ErrTurned):
		return "save the picture as it is seen, for example with: mogrify -auto-orient FILE"
	case errors.Is(err, ErrFax), errors.Is(err, ErrLayout):
		return "save the picture as PNG"
	case errors.Is(err, ErrPages):
		return "save each picture as a file of its own, for example with: convert FILE %03d.png"
	case errors.Is(err, ErrDim):
		return "scale its values to 16 bits, those of 12 bits for example with: convert FILE -evaluate multiply 16 NEW.png"
	case errors.Is(err, ErrTooLarge):
		return "save the picture smaller, with 8 bits a channel, neither interlaced nor progressive, and a TIFF as PNG"
	}
	return ""
}

// Tags of TIFF 6.0, which EXIF shares.
const (
	tagSubfile     = 0x00fe
	tagBits        = 0x0102
	tagCompression = 0x0103
	tagFillOrder   = 0x010a
	tagOrientation = 0x0112
	tagSamples     = 0x0115
	tagRows        = 0x0116 // of a strip
	tagPlanar      = 0x011c
	tagTileWidth   = 0x0142
	tagTileHeight  = 0x0143
)

// checkTags refuses what tags of a picture of that format say and its decoder does not heed.
func checkTags(data []byte, format string) error {
	if format == "tiff" {
		if c, _ := tag(data, tagCompression); c >= 2 && c <= 4 {
			return fmt.Errorf("%w (compression %d)", ErrFax, c)
		}
		if err := checkLayout(data); err != nil {
			return err
		}
		if severalPages(data) {
			return ErrPages
		}
	}
	exif := data
	switch format {
	case "jpeg":
		exif = exifOfJPEG(data)
	case "png":
		exif = chunkOfPNG(data, "eXIf")
	}
	if o, _ := tag(exif, tagOrientation); o > 1 {
		return fmt.Errorf("%w (EXIF orientation %d)", ErrTurned, o)
	}
	return nil
}

// checkLayout refuses bits from the lowest on, planes one after the other, and more samples than bit depths: golang.org/x/image/tiff
// takes no notice of the first two, nor of the number of samples.
func checkLayout(data []byte) error {
	samples, _ := tag(data, tagSamples)
	_, one := tag(data, tagBits)
	if fill, _ := tag(data, tagFillOrder); fill > 1 {
		return fmt.Errorf("%w (fill order %d)", ErrLayout, fill)
	}
	if planar, _ := tag(data, tagPlanar); planar > 1 && samples > 1 {
		return fmt.Errorf("%w (planar configuration %d)", ErrLayout, planar)
	}
	if samples > 1 && one {
		return fmt.Errorf("%w (%d samples of one bit depth)", ErrLayout, samples)
	}
	order, at := firstDirectory(data)
	for _, id := range []uint16{tagCompression, tagFillOrder, tagSamples, tagRows, tagPlanar, tagTileWidth, tagTileHeight} {
		if e := entry(data, order, at, id); e != nil && order.Uint32(e[4:]) > 1 { // the decoder takes the first
			return fmt.Errorf("%w (several numbers of tag %d)", ErrLayout, id)
		}
	}
	return nil
}

// inflatedBytes returns how much memory the largest strip or tile of a compressed TIFF takes at most. golang.org/x/image/tiff
// inflates one to up to 8 bytes a pixel, whatever they are, in a buffer that doubles: 33 a pixel were seen.
func inflatedBytes(data []byte, cfg image.Config) int64 {
	if c, _ := tag(data, tagCompression); c <= 1 {
		return 0
	}
	width, height := int64(cfg.Width), int64(cfg.Height)
	if rows, _ := tag(data, tagRows); rows > 0 {
		height = min(height, int64(rows))
	}
	if across, _ := tag(data, tagTileWidth); across > 0 { // up to 1024 larger than the picture, or an error
		down, _ := tag(data, tagTileHeight)
		width, height = min(int64(across), int64(cfg.Width)+1024), min(int64(down), int64(cfg.Height)+1024)
	}
	return 32 * width * height
}

// ofAnother are the bits of tagSubfile that say of a picture that it is a smaller one, or a mask, of another in the file.
const ofAnother = 1 | 4

// severalPages reports a TIFF with another picture behind the first, or whose first is but part of another.
func severalPages(data []byte) bool {
	order, at := firstDirectory(data)
	if order == nil {
		return false
	}
	if kind, _ := tagAt(data, order, at, tagSubfile); kind&ofAnother != 0 {
		return true
	}
	for range 64 { // smaller ones of one picture are no more
		if at+2 > uint64(len(data)) {
			return false
		}
		end := at + 2 + 12*uint64(order.Uint16(data[at:]))
		if end+4 > uint64(len(data)) {
			return false
		}
		at = uint64(order.Uint32(data[end:]))
		if at == 0 || at+2 > uint64(len(data)) || order.Uint16(data[at:]) == 0 {
			return false
		}
		if kind, _ := tagAt(data, order, at, tagSubfile); kind&ofAnother == 0 {
			return true
		}
	}
	return true
}

// firstDirectory returns the byte order of TIFF data and where its first directory lies; nil for what is none.
func firstDirectory(data []byte) (binary.ByteOrder, uint64) {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(data, []byte("II*\x00")):
		order = binary.LittleEndian
	case bytes.HasPrefix(data, []byte("MM\x00*")):
		order = binary.BigEndian
	}
	if order == nil || len(data) < 8 {
		return nil, 0
	}
	return order, uint64(order.Uint32(data[4:]))
}

// tag returns the number that the first directory of TIFF data, EXIF or a file, gives for a tag, false where there is
// none or the data is malformed (TIFF 6.0, section 2).
func tag(data []byte, id uint16) (uint32, bool) {
	order, at := firstDirectory(data)
	if order == nil {
		return 0, false
	}
	return tagAt(data, order, at, id)
}

// tagAt is tag for the directory at that place.
func tagAt(data []byte, order binary.ByteOrder, at uint64, id uint16) (uint32, bool) {
	e := entry(data, order, at, id)
	if e == nil || order.Uint32(e[4:]) != 1 {
		return 0, false
	}
	switch order.Uint16(e[2:]) {
	case 1: // BYTE
		return uint32(e[8]), true
	case 3: // SHORT
		return uint32(order.Uint16(e[8:])), true
	case 4: // LONG
		return order.Uint32(e[8:]), true
	}
	return 0, false
}

// entry returns the 12 bytes of a tag in the directory at that place: tag, type, count, value; nil where there is none.
func entry(data []byte, order binary.ByteOrder, at uint64, id uint16) []byte {
	if order == nil || at+2 > uint64(len(data)) {
		return nil
	}
	entries := data[at+2:]
	for range order.Uint16(data[at:]) {
		if len(entries) < 12 {
			return nil
		}
		if order.Uint16(entries) == id {
			return entries[:12]
		}
		entries = entries[12:]
	}
	return nil
}

// exifOfJPEG returns the TIFF data in the first Exif segment before the picture's scans, nil where there is none.
func exifOfJPEG(data []byte) []byte {
	for marker, content := range segments(data) {
		if exif, ok := bytes.CutPrefix(content, []byte("Exif\x00\x00")); ok && marker == 0xe1 {
			return exif
		}
	}
	return nil
}

// isProgressive reports a JPEG whose coefficients are all held until its end.
func isProgressive(data []byte) bool {
	for marker := range segments(data) {
		if marker == 0xc2 { // SOF2
			return true
		}
	}
	return false
}

// segments yields markers and contents of a JPEG's segments before its scans. As image/jpeg does, it passes over what is no
// segment.
func segments(data []byte) iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) {
		for data := data[min(2, len(data)):]; len(data) >= 4; {
			switch marker := data[1]; {
			case data[0] != 0xff || marker == 0 || marker == 0xff: // none, fill
				data = data[1:]
				continue
			case marker == 0xda || marker == 0xd9: // start of scan, end of image
				return
			case marker == 0x01 || marker >= 0xd0 && marker <= 0xd7: // no length
				data = data[2:]
				continue
			}
			n := 2 + int(binary.BigEndian.Uint16(data[2:]))
			if n > len(data) || n < 4 || !yield(data[1], data[4:n]) {
				return
			}
			data = data[n:]
		}
	}
}

// chunkOfPNG returns what the first chunk of that kind holds, nil where there is none.
func chunkOfPNG(data []byte, kind string) []byte {
	for data = data[min(8, len(data)):]; len(data) >= 12; {
		n := uint64(binary.BigEndian.Uint32(data)) // length, type, data, checksum
		if n+12 > uint64(len(data)) {
			return nil
		}
		if string(data[4:8]) == kind {
			return data[8 : 8+n]
		}
		data = data[n+12:]
	}
	return nil
}
