package prep

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"slices"
	"testing"

	"cull/capture"
)

// What marked pixels show changes no pixel of the input picture but those that Marked returns, and every one of those
// where it changes a lot.
func TestMarkedIsWhatMarkedPixelsChange(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, plan := range []Plan{
		{Width: 16, Height: 24},
		{Width: 16, Height: 16, Region: image.Rect(6, 3, 38, 25)},
		{Width: 16, Height: 16, Fit: Letterbox},
		{Width: 96, Height: 64, Fit: Cover},
	} {
		for _, format := range []capture.PixelFormat{capture.Grey, capture.RGB24, capture.YUYV, capture.NV12} {
			for range 20 {
				const w, h = 48, 32
				hole := image.Rect(0, 0, 1+rng.IntN(9), 1+rng.IntN(9)).Add(image.Pt(rng.IntN(w), rng.IntN(h)))
				marked, inside := make([]bool, w*h), false
				for i := range marked {
					marked[i] = image.Pt(i%w, i/w).In(hole)
				}
				p, err := New(plan)
				if err != nil {
					t.Fatal(err)
				}
				dark, bright := make([]int8, plan.Width*plan.Height*3), make([]int8, plan.Width*plan.Height*3)
				frame := func(v byte) *capture.Frame { return filled(format, w, h, marked, v) }
				if err := p.Apply(dark, frame(40)); err != nil {
					t.Fatal(err)
				}
				if err := p.Apply(bright, frame(220)); err != nil {
					t.Fatal(err)
				}
				got := p.Marked(marked)
				for i, m := range got {
					inside = inside || m
					if changed := !slices.Equal(dark[3*i:3*i+3], bright[3*i:3*i+3]); changed && !m {
						t.Fatalf("%v %v %v: pixel %d changes and is not marked", plan, format, hole, i)
					}
				}
				src, _, err := plan.Window(w, h)
				if err != nil {
					t.Fatal(err)
				}
				whole := format == capture.Grey // no chroma sample reaches beyond the region
				if seen := hole.Overlaps(src); seen && !inside || inside && !seen && whole {
					t.Fatalf("%v %v %v: marked %v, looked at %v", plan, format, hole, inside, seen)
				}
				if exact := plan.Width == 16 && plan.Height == 16 && plan.Fit == Stretch && format == capture.Grey; exact {
					for i, m := range got { // shrunk by 2 x 1.4: no weight is too small to see
						if m && dark[3*i] == bright[3*i] {
							t.Fatalf("%v: pixel %d is marked and does not change", hole, i)
						}
					}
				}
			}
		}
	}
}

// filled is a frame of 128 with v in every sample that a marked pixel has a share in.
func filled(format capture.PixelFormat, w, h int, marked []bool, v byte) *capture.Frame {
	f := &capture.Frame{Format: format, Width: w, Height: h, Stride: w}
	size := w * h
	switch format {
	case capture.RGB24:
		f.Stride, size = 3*w, 3*w*h
	case capture.YUYV:
		f.Stride, size = 2*w, 2*w*h
	case capture.NV12:
		size = w * h / 2 * 3
	}
	f.Pix = bytes.Repeat([]byte{128}, size)
	for i, m := range marked {
		if !m {
			continue
		}
		x, y := i%w, i/w
		switch format {
		case capture.Grey:
			f.Pix[i] = v
		case capture.RGB24:
			f.Pix[3*i], f.Pix[3*i+1], f.Pix[3*i+2] = v, v, v
		case capture.YUYV:
			pair := y*f.Stride + x/2*4
			f.Pix[y*f.Stride+2*x], f.Pix[pair+1], f.Pix[pair+3] = v, v, 255-v
		case capture.NV12:
			pair := w*h + y/2*w + x/2*2
			f.Pix[i], f.Pix[pair], f.Pix[pair+1] = v, v, 255-v
		}
	}
	return f
}

// The coarser chroma of a JPEG reaches farther than a pixel, and a grey or finer one may have such behind it.
func TestMarkedKnowsTheChromaOfAJPEG(t *testing.T) {
	img, y := image.NewRGBA(image.Rect(0, 0, 32, 32)), image.NewGray(image.Rect(0, 0, 32, 32))
	for i := range 32 * 32 {
		img.Set(i%32, i/32, color.RGBA{200, 100, 50, 255})
	}
	p, err := New(Plan{Width: 32, Height: 32})
	if err != nil {
		t.Fatal(err)
	}
	grey := encoded(t, y)
	for name, data := range map[string][]byte{"4:2:0": encoded(t, img), "grey": grey, "4:4:4": full(grey)} {
		f := &capture.Frame{Pix: data, Format: capture.MJPEG, Width: 32, Height: 32}
		if err := p.Apply(make([]int8, 32*32*3), f); err != nil {
			t.Fatal(err)
		}
		if coarse := p.key.subX == 2; coarse != (name == "4:2:0") {
			t.Fatalf("%s: %+v", name, p.key)
		}
		marked := make([]bool, 32*32)
		marked[10*32+10] = true
		for i, got := range p.Marked(marked) {
			if want := image.Pt(i%32, i/32).In(image.Rect(9, 9, 13, 13)); got != want {
				t.Errorf("%s: pixel %d,%d: %v", name, i%32, i/32, got)
			}
		}
	}
}

func encoded(t *testing.T, img image.Image) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, nil); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// full is the colour JPEG, 4:4:4, whose three components are those of a grey one.
func full(grey []byte) []byte {
	frame, scan := bytes.Index(grey, []byte{0xff, 0xc0}), bytes.Index(grey, []byte{0xff, 0xda})
	out := slices.Concat(grey[:frame], []byte{0xff, 0xc0, 0, 17}, grey[frame+4:frame+9], []byte{3})
	for id := range byte(3) {
		out = append(out, id+1, 0x11, 0)
	}
	out = append(out, grey[frame+2+11:scan]...)
	for id := range byte(3) {
		out = append(out, 0xff, 0xda, 0, 8, 1, id+1, 0, 0, 63, 0)
		out = append(out, grey[scan+10:len(grey)-2]...)
	}
	return append(out, 0xff, 0xd9)
}
