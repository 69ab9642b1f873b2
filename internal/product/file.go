package product

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"time"

	"cull/infer/prep"
	"cull/internal/container"
	"cull/internal/light"
	"cull/internal/mirror"
	"cull/padim"
)

// meta is the section of that name.
type meta struct {
	Net       string     `json:"net"`
	Created   time.Time  `json:"created"`
	Frame     frame      `json:"frame"`
	Plan      prep.Plan  `json:"plan"`
	Taught    taught     `json:"taught"`
	Threshold threshold  `json:"threshold"`
	Goldens   []goldenID `json:"goldens"`
}

type frame struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

type taught struct {
	Mode          padim.Mode      `json:"mode"`
	Parts         int             `json:"parts"`
	Shrinkage     float64         `json:"shrinkage"`
	Light         float64         `json:"light"` // stops that are taken off; 0: none, no section light
	Mirrors       []mirror.Mirror `json:"mirrors,omitempty"`
	PartLogLik    *float64        `json:"partLogLikelihood"` // null: nothing to choose
	TextureLogLik *float64        `json:"textureLogLikelihood"`
}

type threshold struct {
	Value  float32      `json:"value"`
	Target float64      `json:"targetFRR"`
	Method padim.Method `json:"method"`
	Rank   int          `json:"rank"`
}

type goldenID struct {
	Name  string  `json:"name"`
	Score float32 `json:"score"`
	Pass  bool    `json:"pass"`
}

// Encode returns the bytes of the .product file and sets the digest.
func (p *Product) Encode() ([]byte, error) {
	b, err := p.encode()
	if err != nil {
		return nil, fmt.Errorf("product: %w", err)
	}
	return b, nil
}

func (p *Product) encode() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	m, err := json.MarshalIndent(p.meta(), "", " ")
	if err != nil {
		return nil, err
	}
	model, err := p.Model.AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	sections := []container.Section{
		{Name: "meta", Data: m}, {Name: "model", Data: model}, {Name: "scores", Data: floats(p.Report.Scores)},
	}
	if p.Light != nil {
		sections = append(sections, container.Section{Name: "light", Data: floats(p.Light.Levels)})
	}
	for i, g := range p.Goldens {
		packed, err := pack(g.Picture)
		if err != nil {
			return nil, fmt.Errorf("golden %d (%s): %w", i, g.Name, err)
		}
		sections = append(sections, container.Section{Name: goldenSection(i), Data: packed})
	}
	b, err := container.Encode(Kind, Version, sections)
	if err != nil {
		return nil, err
	}
	f, err := container.Parse(b, Kind, Version)
	if err != nil {
		return nil, err
	}
	p.digest = f.Digest()
	return b, nil
}

// floats returns v as bytes.
func floats(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return b
}

// unfloats returns the n numbers that the section of that name holds.
func unfloats(f *container.File, name string, n int) ([]float32, error) {
	b, err := f.Section(name)
	if err != nil {
		return nil, err
	}
	if len(b) != 4*n {
		return nil, fmt.Errorf("%s: %d bytes for %d numbers", name, len(b), n)
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v, nil
}

func goldenSection(i int) string { return fmt.Sprintf("golden.%d", i) }

func (p *Product) meta() meta {
	r, t := p.Report, p.Report.Threshold
	m := meta{
		Net:     hex.EncodeToString(p.Net[:]),
		Created: p.Created.UTC().Truncate(time.Second),
		Frame:   frame{p.Frame.X, p.Frame.Y},
		Plan:    p.Plan,
		Taught: taught{
			Mode: r.Mode, Parts: r.Parts, Shrinkage: r.Shrinkage,
			PartLogLik: number(r.PartLogLik), TextureLogLik: number(r.TextureLogLik),
		},
		Threshold: threshold{t.Value, t.Target, t.Method, t.Rank},
		Goldens:   make([]goldenID, 0, len(p.Goldens)),
	}
	if p.Light != nil {
		m.Taught.Light = p.Light.Stops
	}
	m.Taught.Mirrors = p.Mirrors
	for _, g := range p.Goldens {
		m.Goldens = append(m.Goldens, goldenID{g.Name, g.Score, g.Verdict == padim.Pass})
	}
	return m
}

// number returns v for JSON, nil where it is none.
func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

func orNaN(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}

// Parse reads the bytes of a .product file. The product keeps and aliases b.
func Parse(b []byte) (*Product, error) {
	f, err := container.Parse(b, Kind, Version)
	if err != nil {
		return nil, fmt.Errorf("product: %w", err)
	}
	if f.Version < Version {
		return nil, fmt.Errorf("product: version %d: %w", f.Version, ErrOlder)
	}
	p := &Product{digest: f.Digest()}
	if err := p.read(f); err != nil {
		return nil, fmt.Errorf("product: %w", err)
	}
	return p, nil
}

func (p *Product) read(f *container.File) error {
	b, err := f.Section("meta")
	if err != nil {
		return err
	}
	var m meta
	if err := strict(b, &m); err != nil {
		return fmt.Errorf("meta: %w", err)
	}
	if err := p.setMeta(m); err != nil {
		return fmt.Errorf("meta: %w", err)
	}
	if b, err = f.Section("model"); err != nil {
		return err
	}
	if p.Model, err = padim.Parse(b); err != nil {
		return err
	}
	if p.Report.Scores, err = unfloats(f, "scores", p.Report.Parts); err != nil {
		return err
	}
	want := 3 + len(p.Goldens)
	if p.Light != nil {
		want++
		n := light.Levels(p.Plan.Width, p.Plan.Height)
		if p.Light.Levels, err = unfloats(f, "light", n); err != nil {
			return err
		}
	}
	if len(f.Sections()) != want {
		return fmt.Errorf("%d sections, want %d", len(f.Sections()), want)
	}
	for i := range p.Goldens {
		if b, err = f.Section(goldenSection(i)); err != nil {
			return err
		}
		if p.Goldens[i].Picture, err = unpack(b, p.pictureSize()); err != nil {
			return fmt.Errorf("%s: %w", goldenSection(i), err)
		}
	}
	return p.check()
}

// setMeta takes over m after checking all that sizes depend on.
func (p *Product) setMeta(m meta) error {
	net, err := hex.DecodeString(m.Net)
	if err != nil || len(net) != len(p.Net) {
		return fmt.Errorf("net: %q is not a SHA-256", m.Net)
	}
	copy(p.Net[:], net)
	if err := m.Plan.Validate(); err != nil {
		return err
	}
	p.Plan, p.Created = m.Plan, m.Created.UTC()
	p.Frame = image.Pt(m.Frame.Width, m.Frame.Height)
	if m.Taught.Parts < 0 || m.Taught.Parts > maxParts {
		return fmt.Errorf("%d parts", m.Taught.Parts)
	}
	if n := len(m.Goldens); n > MaxGoldens || n*p.pictureSize() > maxPixels {
		return fmt.Errorf("%d golden pictures of %d bytes", n, p.pictureSize())
	}
	p.Report = padim.Report{
		Mode: m.Taught.Mode, Parts: m.Taught.Parts, Shrinkage: m.Taught.Shrinkage,
		PartLogLik: orNaN(m.Taught.PartLogLik), TextureLogLik: orNaN(m.Taught.TextureLogLik),
		Threshold: padim.Threshold{
			Value: m.Threshold.Value, Target: m.Threshold.Target, Method: m.Threshold.Method,
			Parts: m.Taught.Parts, Rank: m.Threshold.Rank,
		},
	}
	p.Mirrors = m.Taught.Mirrors
	if m.Taught.Light != 0 {
		p.Light = &light.Reference{Stops: m.Taught.Light}
	}
	for _, g := range m.Goldens {
		v := padim.Reject
		if g.Pass {
			v = padim.Pass
		}
		p.Goldens = append(p.Goldens, Golden{Name: g.Name, Score: g.Score, Verdict: v})
	}
	return nil
}

// strict decodes one JSON value without unknown fields or trailing data.
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("data behind the value")
	}
	return nil
}

// pack compresses a picture with DEFLATE.
func pack(pic []int8) ([]byte, error) {
	raw := make([]byte, len(pic))
	for k, v := range pic {
		if v == -128 {
			return nil, fmt.Errorf("value %d is -128", k)
		}
		raw[k] = byte(v)
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// unpack decompresses a picture of that many bytes.
func unpack(b []byte, size int) ([]int8, error) {
	const ratio = 1032 // DEFLATE's largest: 258 bytes in two bits
	if len(b) > size+size/1000+64 || int64(size) > ratio*int64(len(b)) {
		return nil, fmt.Errorf("%d bytes cannot be a picture of %d: %w", len(b), size, container.ErrCorrupted)
	}
	src := bytes.NewReader(b)
	r := flate.NewReader(src)
	raw := make([]byte, size)
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF || src.Len() != 0 {
		return nil, fmt.Errorf("bytes behind the picture: %w", container.ErrCorrupted)
	}
	pic := make([]int8, size)
	for k, v := range raw {
		if int8(v) == -128 {
			return nil, fmt.Errorf("value %d is -128: %w", k, container.ErrCorrupted)
		}
		pic[k] = int8(v)
	}
	return pic, nil
}
