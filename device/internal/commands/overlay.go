package commands

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cull/capture"
	"cull/infer/prep"
	"cull/internal/container"
	"cull/internal/dataset"
	"cull/internal/evaluate"
	"cull/internal/imagefile"
	"cull/internal/inspect"
	"cull/internal/regular"
)

// writeOverlay writes the heat map of one picture; folders are made as needed.
func writeOverlay(path string, f *capture.Frame, plan func(*capture.Frame) prep.Plan, r inspect.Result) error {
	img, err := imagefile.Image(f)
	if err != nil {
		return err
	}
	p := plan(f)
	out, err := inspect.Overlay(img, p, r)
	if err != nil {
		return err
	}
	data, err := markedPNG(out)
	if err != nil {
		return err
	}
	if err := replaceable(path); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return Hint(err, "choose a folder that may be written to")
	}
	return Hint(container.WriteFile(path, data), "choose a folder that may be written to")
}

// What heat maps carry behind a PNG's header, so that they are known from pictures: a chunk of text (PNG, 11.3.3.3).
const (
	heatMapText = "tEXtSoftware\x00cull heat map"
	pngHeader   = 8 + 25 // signature, IHDR
)

func heatMapChunk() []byte {
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(heatMapText)-4))
	chunk = append(chunk, heatMapText...)
	return binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE([]byte(heatMapText)))
}

// markedPNG returns the file of a heat map.
func markedPNG(img image.Image) ([]byte, error) {
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		return nil, err
	}
	return slices.Insert(buf.Bytes(), pngHeader, heatMapChunk()...), nil
}

// replaceable returns an error where something is at path that is no heat map: a picture, or a link to one.
func replaceable(path string) error {
	file, _, err := regular.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return Hint(fmt.Errorf("--overlay: %w", err), "choose a folder that may be written to")
	}
	defer file.Close()
	chunk := heatMapChunk()
	head := make([]byte, pngHeader+len(chunk))
	if _, err := io.ReadFull(file, head); err != nil || !bytes.HasSuffix(head, chunk) {
		return Hint(fmt.Errorf("--overlay: %s is there and no heat map of cull: it is not replaced", path),
			"name another folder for the heat maps, or move that file")
	}
	return nil
}

// sparesPictures refuses a folder of heat maps that would write over the pictures they are of.
func sparesPictures(overlays string, pictures []string) error {
	dir, err := os.Stat(overlays)
	if overlays == "" || err != nil { // it will be made
		return nil
	}
	for _, path := range pictures {
		if own, err := os.Stat(filepath.Dir(path)); err == nil && os.SameFile(own, dir) {
			return Hint(usagef("inspect: --overlay %s holds the pictures themselves", overlays), "name another folder for the heat maps")
		}
	}
	return nil
}

// overlayNames names heat maps of one folder after their pictures; pictures of one name are numbered.
type overlayNames struct {
	dir  string
	used map[string]bool
}

func (n *overlayNames) of(path string) string {
	if n.used == nil {
		n.used = map[string]bool{}
	}
	stem := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	name := stem
	for k := 2; n.used[name]; k++ {
		name = fmt.Sprintf("%s-%d", stem, k)
	}
	n.used[name] = true
	return filepath.Join(n.dir, name+".png")
}

// overlayPaths names eval's heat maps: dir/category/kind/stem.png.
func overlayPaths(dir string) func(category string, it dataset.Item) string {
	folders := map[string]*overlayNames{}
	return func(category string, it dataset.Item) string {
		folder := filepath.Join(dir, category, it.Kind)
		if folders[folder] == nil {
			folders[folder] = &overlayNames{dir: folder}
		}
		return folders[folder].of(it.Path)
	}
}

// overlays writes eval's heat maps.
func overlays(dir string) func(string, dataset.Item, *capture.Frame, inspect.Result) error {
	path := overlayPaths(dir)
	return func(category string, it dataset.Item, f *capture.Frame, r inspect.Result) error {
		return writeOverlay(path(category, it), f, wholeFrame, r)
	}
}

// overlaysReplaceable returns an error where overlays would replace what is no heat map.
func overlaysReplaceable(dir string, sets []dataset.Category, rows []evaluate.Features) error {
	path := overlayPaths(dir)
	for _, row := range rows {
		for _, set := range sets {
			for _, it := range set.Test {
				if row == evaluate.Grey { // has no map
					continue
				}
				if err := replaceable(path(set.Name, it)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
