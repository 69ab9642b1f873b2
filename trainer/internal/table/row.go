// Package table measures one detector with features from many sources: the rows are where
// the features come from, the columns categories.
package table

import (
	"cull/infer"
	"cull/internal/evaluate"
)

// A Row is one source of features.
type Row struct {
	Name  string // on the command line
	Title string
	Note  string // what it is, one line

	features evaluate.Features
	fixed    bool   // a network that is given, not trained
	recipe   string // of recipes/table; empty: not trained
	needs    string // the option without which it cannot be measured; empty: nothing
	adapts   bool   // the built-in network, fitted to each category's good parts
	model    *infer.Model
}

// Teacher is the row that learns from a network of elsewhere, and the key of its ONNX file in Options.Data.
const Teacher = "teacher"

// Rows are the known rows in the table's order.
func Rows() []Row {
	return []Row{
		{
			Name: "imagenet", Title: "ImageNet", Note: "classification of photographs, imported, int8",
			features: evaluate.Net, fixed: true, needs: "imagenet",
		},
		{
			Name: "fractaldb", Title: "FractalDB", Note: "classification of iterated function systems",
			features: evaluate.Net, recipe: "fractaldb",
		},
		{
			Name: "dagm", Title: "DAGM", Note: "classification of DAGM 2007's textures, with and without defect",
			features: evaluate.Net, recipe: "dagm", needs: "dagm",
		},
		{
			Name: "btad", Title: "BTAD", Note: "classification of BTAD's products, with and without defect",
			features: evaluate.Net, recipe: "btad", needs: "btad",
		},
		{
			Name: "btad-direct", Title: "BTAD + GMM, L_direct", Note: "BTAD's good pictures, Gaussian-mixture defects",
			features: evaluate.Net, recipe: "btad-direct", needs: "btad",
		},
		{
			Name: "btad-indirect", Title: "BTAD + GMM, L_indirect", Note: "BTAD's good pictures, Gaussian-mixture defects",
			features: evaluate.Net, recipe: "btad-indirect", needs: "btad",
		},
		{
			Name: "random", Title: "random weights", Note: "the shipped network's topology, drawn anew for each seed",
			features: evaluate.Random, fixed: true,
		},
		{
			Name: "handmade", Title: "hand-made filters", Note: "22 textbook filters",
			features: evaluate.Handmade,
		},
		{
			Name: "bank", Title: "formula bank", Note: "116 filters defined by formulas",
			features: evaluate.Bank,
		},
		{
			Name: "lines", Title: "formula bank and lines", Note: "the same and 96 filters of lines, whatever their contrast",
			features: evaluate.Lines,
		},
		{
			Name: "grey", Title: "grey statistics", Note: "four numbers of the picture, no map",
			features: evaluate.Grey,
		},
		{
			Name: "shipped", Title: "free textures + GMM", Note: "the built-in network",
			features: evaluate.Net, fixed: true,
		},
		{
			Name: "adapt", Title: "built-in, adapted", Note: "fitted to each category's good training parts where that helps held-out ones",
			features: evaluate.Net, adapts: true,
		},
		{
			Name: "everything", Title: "everything together", Note: "textures + GMM; formula bank, L_direct, L_indirect",
			features: evaluate.Net, recipe: "everything", needs: "textures",
		},
		{
			Name: "teacher", Title: "ImageNet as a teacher", Note: "not semi-formula: textures + GMM, formula bank, and the maps of --imagenet",
			features: evaluate.Net, recipe: Teacher, needs: "textures",
		},
	}
}

// Given is a row of a network file.
func Given(name, note string, m *infer.Model) Row {
	return Row{
		Name: name, Title: name, Note: note, features: evaluate.Net, fixed: true, model: m,
	}
}
