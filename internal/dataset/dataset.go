// Package dataset finds the pictures of inspection data sets on disk.
//
// Three layouts are known, for one category or a folder of categories:
//
//	MVTec AD    train/good  test/good  test/<kind>  ground_truth/<kind>/<stem>_mask.png
//	MVTec AD 2  train/good  test_public/good  test_public/bad  test_public/ground_truth/bad/<stem>_mask.png
//	BTAD        train/ok    test/ok    test/ko      ground_truth/ko/<stem>.png or .bmp
//
// Of MVTec AD 2 only the public test is read: the other parts have no labels. Names are the same in capitals and small
// letters.
//
// Paths come sorted by name, so that they are the same on every machine.
package dataset

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cull/internal/imagefile"
)

// Errors a caller branches on.
var (
	ErrLayout = errors.New("neither train/good (MVTec AD and AD 2) nor train/ok (BTAD) is there")
	ErrMask   = errors.New("picture has no mask though others of its kind have")
	ErrMasks  = errors.New("none of its files is a mask of a picture of that kind")
)

// A Category is one product of a data set.
type Category struct {
	Name  string
	Train []string // good pictures
	Test  []Item
}

// An Item is one test picture.
type Item struct {
	Path string
	Kind string // the folder it is in: good, ok, or the kind of defect
	Good bool
	Mask string // of the defects; empty for good pictures and where there is none
}

// HasMasks reports whether every bad test picture has a mask.
func (c *Category) HasMasks() bool {
	bad := slices.ContainsFunc(c.Test, func(it Item) bool { return !it.Good })
	return bad && c.Unmasked() == nil
}

// Unmasked returns the kinds of defects that have no masks, in the order of Test; nil where all have.
func (c *Category) Unmasked() []string {
	var kinds []string
	for _, it := range c.Test {
		if !it.Good && it.Mask == "" && !slices.Contains(kinds, it.Kind) {
			kinds = append(kinds, it.Kind)
		}
	}
	return kinds
}

// Open returns the category at path, or those in the folders at path. Folders
// without a train folder are passed over.
func Open(path string) ([]Category, error) {
	if isDir(folder(path, "train")) {
		c, err := openCategory(path)
		if err != nil {
			return nil, err
		}
		return []Category{*c}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	var cs []Category
	for _, e := range entries {
		dir := filepath.Join(path, e.Name())
		if hidden(e) || !isDir(folder(dir, "train")) {
			continue
		}
		c, err := openCategory(dir)
		if err != nil {
			return nil, err
		}
		cs = append(cs, *c)
	}
	if len(cs) == 0 {
		return nil, fmt.Errorf("dataset: %s: %w", path, ErrLayout)
	}
	return cs, nil
}

// hidden reports what programs leave behind, and List passes over too.
func hidden(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") }

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// folder returns the folder in dir that has one of names, in capitals or small letters; the first name where there is none.
func folder(dir string, names ...string) string {
	entries, _ := os.ReadDir(dir) // an error is met when the folder is opened
	for _, name := range names {
		if path := filepath.Join(dir, name); isDir(path) {
			return path
		}
		for _, e := range entries {
			if path := filepath.Join(dir, e.Name()); strings.EqualFold(e.Name(), name) && isDir(path) {
				return path
			}
		}
	}
	return filepath.Join(dir, names[0])
}

// goodNames are what the folders of good pictures are called.
var goodNames = []string{"good", "ok"}

func openCategory(dir string) (*Category, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	c := &Category{Name: filepath.Base(abs)}
	train := folder(folder(dir, "train"), goodNames...)
	if !isDir(train) {
		return nil, fmt.Errorf("dataset: %s: %w", dir, ErrLayout)
	}
	if c.Train, err = imagefile.List(train); err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	test, truth := folder(dir, "test"), folder(dir, "ground_truth")
	if public := folder(dir, "test_public"); isDir(public) {
		test, truth = public, folder(public, "ground_truth")
	}
	kinds, err := os.ReadDir(test)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	for _, k := range kinds {
		kind := filepath.Join(test, k.Name())
		if hidden(k) || kind == truth || !isDir(kind) {
			continue
		}
		items, err := testItems(kind, folder(truth, k.Name()))
		if err != nil {
			return nil, err
		}
		c.Test = append(c.Test, items...)
	}
	if len(c.Test) == 0 {
		return nil, fmt.Errorf("dataset: %s: %w", test, imagefile.ErrNone)
	}
	return c, nil
}

// testItems lists the test pictures of one kind. The folder of their masks need not be there.
func testItems(dir, masks string) ([]Item, error) {
	paths, err := imagefile.List(dir)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	kind := filepath.Base(dir)
	good := slices.ContainsFunc(goodNames, func(name string) bool { return strings.EqualFold(name, kind) })
	items := make([]Item, len(paths))
	for i, p := range paths {
		items[i] = Item{Path: p, Kind: kind, Good: good}
	}
	if good || !isDir(masks) {
		return items, nil
	}
	return items, findMasks(items, masks)
}

// maskEnds are how the name of a mask goes on after its picture's stem.
var maskEnds = []string{"_mask.png", ".png", ".bmp", "_mask.bmp", ".tif", ".tiff"}

// findMasks gives every item its mask in the folder dir.
func findMasks(items []Item, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	names := map[string]string{} // as they are and in small letters -> as they are
	for _, e := range entries {
		names[strings.ToLower(e.Name())] = e.Name()
	}
	for _, e := range entries { // where names differ in letters' case alone, each is its own
		names[e.Name()] = e.Name()
	}
	found, missing := 0, ""
	for i := range items {
		if mask := maskOf(items[i].Path, names); mask != "" {
			items[i].Mask = filepath.Join(dir, mask)
			found++
		} else if missing == "" {
			missing = items[i].Path
		}
	}
	want := filepath.Join(dir, stem(missing)+maskEnds[0])
	switch {
	case missing == "":
		return nil
	case found == 0:
		return fmt.Errorf("dataset: %s: %w: want %s for %s", dir, ErrMasks, want, missing)
	}
	return fmt.Errorf("dataset: %s: %w: %s", missing, ErrMask, want)
}

// maskOf returns which of names is the mask of the picture at path, empty where none is.
func maskOf(path string, names map[string]string) string {
	for _, end := range maskEnds {
		for _, name := range []string{stem(path) + end, strings.ToLower(stem(path) + end)} {
			if mask, ok := names[name]; ok {
				return mask
			}
		}
	}
	return ""
}

func stem(path string) string { return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)) }

// Subset draws n of paths at random and returns them in their order; all of them
// for n of 0 or too many. Neighbouring names are often the same part, so the first
// n would be a poor choice.
func Subset(paths []string, n int, seed uint64) []string {
	if n <= 0 || n >= len(paths) {
		return slices.Clone(paths)
	}
	rng := rand.New(rand.NewPCG(seed, 0x73756273657473)) // "subsets"
	chosen := rng.Perm(len(paths))[:n]
	slices.Sort(chosen)
	out := make([]string, n)
	for i, j := range chosen {
		out[i] = paths[j]
	}
	return out
}
