package table

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"cull/internal/dataset"
	"cull/internal/imagefile"
	"cull/trainer/internal/pictures"
)

// Errors of a folder that is not DAGM 2007.
var (
	ErrDAGM   = errors.New("no Class1/Train (DAGM 2007) is there")
	ErrLabels = errors.New("no picture has a label, Label/NNNN_label.PNG beside it: all would count as good")
)

// files lists the pictures that a row is trained on.
func (r *Row) files(dirs map[string]string) ([]pictures.File, error) {
	switch dir := dirs[r.needs]; r.recipe {
	case "dagm":
		return dagm(dir)
	case "btad":
		return btad(dir, true)
	case "btad-direct", "btad-indirect":
		return btad(dir, false)
	case "everything", Teacher:
		return tree(dir)
	}
	return nil, nil
}

// btad lists the good training pictures of each product and, where asked for, its bad
// pictures as a class of their own.
func btad(dir string, bad bool) ([]pictures.File, error) {
	products, err := dataset.Open(dir)
	if err != nil {
		return nil, err
	}
	var files []pictures.File
	for _, p := range products {
		for _, path := range p.Train {
			files = append(files, pictures.File{Path: path, Class: p.Name})
		}
		for _, it := range p.Test {
			if bad && !it.Good {
				files = append(files, pictures.File{Path: it.Path, Class: p.Name + " bad"})
			}
		}
	}
	return files, nil
}

// dagm lists DAGM 2007: CLASS/Train and CLASS/Test hold NNNN.PNG; a picture is defective
// where Label/NNNN_label.PNG exists beside it, in capitals or small letters.
func dagm(dir string) ([]pictures.File, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("table: %w", err)
	}
	var files []pictures.File
	bad := 0
	for _, e := range entries {
		class := filepath.Join(dir, e.Name())
		if info, err := os.Stat(class); err != nil || !info.IsDir() || !strings.HasPrefix(e.Name(), "Class") {
			continue // the archive it came in lies beside it
		}
		for _, part := range []string{"Train", "Test"} {
			folder := filepath.Join(class, part)
			if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
				continue
			}
			paths, err := imagefile.List(folder)
			if err != nil {
				return nil, fmt.Errorf("table: %w", err)
			}
			labels, err := labelled(folder)
			if err != nil {
				return nil, fmt.Errorf("table: %w", err)
			}
			for _, path := range paths {
				name := filepath.Base(class)
				if labels[stem(path)] {
					name += " bad"
					bad++
				}
				files = append(files, pictures.File{Path: path, Class: name})
			}
		}
	}
	switch {
	case len(files) == 0:
		return nil, fmt.Errorf("table: %s: %w", dir, ErrDAGM)
	case bad == 0:
		return nil, fmt.Errorf("table: %s: %w", dir, ErrLabels)
	}
	return files, nil
}

// labelled returns the stems of the pictures in folder that have a label.
func labelled(folder string) (map[string]bool, error) {
	entries, err := os.ReadDir(filepath.Join(folder, "Label"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	labels := map[string]bool{}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(stem(e.Name()), "_label"); ok && imagefile.Is(e.Name()) {
			labels[name] = true
		}
	}
	return labels, nil
}

// stem is a file's name in small letters, without extension.
func stem(path string) string {
	return strings.ToLower(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)))
}

// tree lists the pictures below dir, the class of each its folder.
func tree(dir string) ([]pictures.File, error) {
	paths, err := imagefile.Tree(dir)
	if err != nil {
		return nil, fmt.Errorf("table: %w", err)
	}
	files := make([]pictures.File, len(paths))
	for i, path := range paths {
		files[i] = pictures.File{Path: path, Class: filepath.Dir(path)}
	}
	return files, nil
}
