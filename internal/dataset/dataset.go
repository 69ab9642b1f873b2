// Package dataset finds the pictures of inspection data sets on disk.
//
// Three layouts are known, for one category or a folder of categories:
//
//	MVTec AD    train/good  test/good  test/<kind>  ground_truth/<kind>/<stem>_mask.png
//	MVTec AD 2  train/good  test_public/good  test_public/bad  test_public/ground_truth/bad/<stem>_mask.png
//	BTAD        train/ok    test/ok    test/ko      ground_truth/ko/<stem>.png or .bmp
//
// Of MVTec AD 2 only the public test is read: the other parts have no labels.
//
// Paths come sorted by name, so that they are the same on every machine.
package dataset

import (
	"errors"
	"fmt"
	"io/fs"
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
	if isDir(filepath.Join(path, "train")) {
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
		if hidden(e) || !isDir(filepath.Join(dir, "train")) {
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

// goodNames are what the folders of good pictures are called.
var goodNames = []string{"good", "ok"}

func openCategory(dir string) (*Category, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	c := &Category{Name: filepath.Base(abs)}
	train := ""
	for _, name := range goodNames {
		if d := filepath.Join(dir, "train", name); isDir(d) {
			train = d
			break
		}
	}
	if train == "" {
		return nil, fmt.Errorf("dataset: %s: %w", dir, ErrLayout)
	}
	if c.Train, err = imagefile.List(train); err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	test, truth := filepath.Join(dir, "test"), filepath.Join(dir, "ground_truth")
	if public := filepath.Join(dir, "test_public"); isDir(public) {
		test, truth = public, filepath.Join(public, "ground_truth")
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
		items, err := testItems(kind, filepath.Join(truth, k.Name()))
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
	good := slices.Contains(goodNames, kind)
	items := make([]Item, len(paths))
	for i, p := range paths {
		items[i] = Item{Path: p, Kind: kind, Good: good}
		if good || !isDir(masks) {
			continue
		}
		if items[i].Mask, err = maskOf(masks, p); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// maskOf finds the ground truth of the picture at path.
func maskOf(dir, path string) (string, error) {
	stem := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	for _, end := range []string{"_mask.png", ".png", ".bmp", "_mask.bmp", ".tif", ".tiff"} {
		mask := filepath.Join(dir, stem+end)
		if _, err := os.Stat(mask); err == nil {
			return mask, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("dataset: %w", err)
		}
	}
	return "", fmt.Errorf("dataset: %s: %w: %s", path, ErrMask, filepath.Join(dir, stem+"_mask.png"))
}

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
