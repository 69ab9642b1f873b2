// Package dataset finds the pictures of inspection data sets on disk.
//
// Three layouts are known, for one category or a folder of categories:
//
//	MVTec AD    train/good  test/good  test/<kind>  ground_truth/<kind>/<stem>_mask.png
//	MVTec AD 2  train/good  test_public/good  test_public/bad  test_public/ground_truth/bad/<stem>_mask.png
//	BTAD        train/ok    test/ok    test/ko      ground_truth/ko/<stem>.png or .bmp
//
// Of MVTec AD 2 only the public test is read: the other parts have no labels. Names are the same in capitals and small
// letters, unless those are needed to tell them apart.
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
	ErrCase   = errors.New("names differ in capitals and small letters alone")
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
	train, err := folder(path, "train")
	if err != nil {
		return nil, err
	}
	if isDir(train) {
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
		if hidden(e) {
			continue
		}
		train, err := folder(dir, "train")
		if err != nil {
			return nil, err
		}
		if !isDir(train) {
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

// folder returns the folder in dir that has one of names, or one of them in other capitals or small letters; the first name
// where there is none.
func folder(dir string, names ...string) (string, error) {
	for _, name := range names {
		if path := filepath.Join(dir, name); isDir(path) {
			return path, nil
		}
	}
	entries, _ := os.ReadDir(dir) // an error is met when the folder is opened
	for _, name := range names {
		found := ""
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			if !strings.EqualFold(e.Name(), name) || !isDir(path) {
				continue
			}
			if found != "" {
				return "", caseError(found, path)
			}
			found = path
		}
		if found != "" {
			return found, nil
		}
	}
	return filepath.Join(dir, names[0]), nil
}

func caseError(a, b string) error { return fmt.Errorf("dataset: %s and %s: %w", a, b, ErrCase) }

// goodNames are what the folders of good pictures are called.
var goodNames = []string{"good", "ok"}

func isGood(kind string) bool {
	return slices.ContainsFunc(goodNames, func(name string) bool { return strings.EqualFold(name, kind) })
}

func openCategory(dir string) (*Category, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	c := &Category{Name: filepath.Base(abs)}
	train, err := folder(dir, "train")
	if err == nil {
		train, err = folder(train, goodNames...)
	}
	if err != nil {
		return nil, err
	}
	if !isDir(train) {
		return nil, fmt.Errorf("dataset: %s: %w", dir, ErrLayout)
	}
	if c.Train, err = imagefile.List(train); err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	test, truth, err := testFolders(dir)
	if err != nil {
		return nil, err
	}
	kinds, err := os.ReadDir(test)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	kindOf := map[string]string{} // by folder of masks
	for _, k := range kinds {
		kind := filepath.Join(test, k.Name())
		if hidden(k) || kind == truth || !isDir(kind) {
			continue
		}
		masks, err := folder(truth, k.Name())
		if err != nil {
			return nil, err
		}
		if other := kindOf[masks]; other != "" && !isGood(k.Name()) {
			return nil, caseError(other, kind)
		}
		kindOf[masks] = kind
		items, err := testItems(kind, masks)
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

// testFolders returns the folders of test pictures and of their masks in that of a category.
func testFolders(dir string) (test, truth string, err error) {
	public, err := folder(dir, "test_public")
	if err != nil {
		return "", "", err
	}
	if isDir(public) {
		truth, err = folder(public, "ground_truth")
		return public, truth, err
	}
	if test, err = folder(dir, "test"); err == nil {
		truth, err = folder(dir, "ground_truth")
	}
	return test, truth, err
}

// testItems lists the test pictures of one kind. The folder of their masks need not be there.
func testItems(dir, masks string) ([]Item, error) {
	paths, err := imagefile.List(dir)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	kind := filepath.Base(dir)
	good := isGood(kind)
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
	names := map[string][]string{} // by what they are in small letters
	for _, e := range entries {
		small := strings.ToLower(e.Name())
		names[small] = append(names[small], e.Name())
	}
	type owner struct {
		path  string
		exact bool
	}
	owners := map[string]owner{} // of masks
	found, missing := 0, ""
	for i := range items {
		path := items[i].Path
		mask, exact := maskOf(path, names)
		switch {
		case len(mask) > 1:
			return caseError(filepath.Join(dir, mask[0]), filepath.Join(dir, mask[1]))
		case len(mask) == 1:
			other, shared := owners[mask[0]]
			if shared && !(exact && other.exact) {
				return caseError(other.path, path)
			}
			owners[mask[0]] = owner{path, exact}
			items[i].Mask = filepath.Join(dir, mask[0])
			found++
		case missing == "":
			missing = path
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

// maskOf returns which of names, by what they are in small letters, is the mask of the picture at path: the one that is exactly
// so called, else all that are but for capitals and small letters.
func maskOf(path string, names map[string][]string) (mask []string, exact bool) {
	for _, end := range maskEnds {
		name := stem(path) + end
		if slices.Contains(names[strings.ToLower(name)], name) {
			return []string{name}, true
		}
	}
	for _, end := range maskEnds {
		if mask = names[strings.ToLower(stem(path)+end)]; mask != nil {
			return mask, false
		}
	}
	return nil, false
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
