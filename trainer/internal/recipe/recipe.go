// Package recipe reads the TOML file that says everything about a pre-training:
// data, network, losses, optimiser, export. Every key has a unit, a default and
// bounds in its struct tag; Write prints them all.
package recipe

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"cull/internal/regular"
	"cull/synth"
	"cull/trainer/internal/trunk"
)

// A Recipe is a pre-training.
type Recipe struct {
	Name string `toml:"name" doc:"name of the weights, recorded in the .net file"`
	Seed int64  `toml:"seed" min:"0" max:"9007199254740992" doc:"seed of weights and of the order of samples"`

	Data      Data      `toml:"data"`
	Network   Network   `toml:"network"`
	Loss      Loss      `toml:"loss"`
	Optimiser Optimiser `toml:"optimiser"`
	Training  Training  `toml:"training"`

	Discriminant Discriminant `toml:"discriminant" json:",omitzero"`

	Quantise Quantise `toml:"quantise"`
	Teacher  Teacher  `toml:"teacher" json:",omitzero"`
	Source   []Source `toml:"source"`
}

// Data is the semi-formula data set.
type Data struct {
	Folder string `toml:"folder" doc:"pictures of normal surfaces, relative to this file; empty: procedural surfaces only"`
	First  int64  `toml:"first" min:"0" max:"9007199254740992" doc:"first seed: the data set is the seeds from here on"`
	Size   int    `toml:"size" unit:"px" min:"32" max:"512" multiple:"16" doc:"side of a picture"`
	Label  string `toml:"label" oneof:"visible relative formula" doc:"anomaly score: visible change, change relative to the local contrast, or the formula alone"`
	Reuse  int    `toml:"reuse" min:"1" max:"16" doc:"how often a sample is shown; a batch is a multiple of it"`
	// Fractals stays out of the JSON at 0: checkpoints made before it existed keep their identity.
	Fractals int `toml:"fractals" json:",omitempty" min:"0" max:"100000" doc:"classes of iterated function systems to tell apart, for loss.class; 0: the surfaces above"`

	Holdout float64 `toml:"holdout" json:",omitempty" min:"0" max:"0.9" doc:"share of the folder's materials (files alike but for a trailing number) never trained on, for validation; 0: none, which is what recipes meant before this key"`

	Synth map[string]string `toml:"synth" doc:"parameters of the generator, see cull-trainer synth -h"`
}

// Network is the shape of the trunk.
type Network struct {
	Width  int   `toml:"width" unit:"channels" min:"8" max:"256" multiple:"8" doc:"channels of stage 1; stages 2 and 3 have 2 and 4 times as many"`
	Blocks []int `toml:"blocks" min:"1" max:"16" doc:"residual blocks of stages 1 to 3"`
	Smooth bool  `toml:"smooth" doc:"skips of stride 2 average 3x3 before they convolve"`
}

// Loss weighs the terms; 0 leaves one out.
type Loss struct {
	Form     float64  `toml:"form" min:"0" max:"1000" doc:"weight of the regression onto the formula bank"`
	Fine     float64  `toml:"fine" min:"0" max:"1000" doc:"weight of the regression onto the same bank with offset 0.0005 in its logarithm: faint energies"`
	Line     float64  `toml:"line" json:",omitempty" min:"0" max:"1000" doc:"weight of the regression onto lines of any contrast"`
	Direct   float64  `toml:"direct" min:"0" max:"1000" doc:"weight of L_direct"`
	Indirect float64  `toml:"indirect" min:"0" max:"1000" doc:"weight of L_indirect"`
	Class    float64  `toml:"class" json:",omitempty" min:"0" max:"1000" doc:"weight of classification: of data.fractals, or of data.folder's folders; stands alone"`
	Teacher  float64  `toml:"teacher" json:",omitempty" min:"0" max:"1000" doc:"weight of the regression onto teacher.model's maps"`
	D        Direct   `toml:"L_direct"`
	I        Indirect `toml:"L_indirect"`
}

// Direct are the parameters of L_direct.
type Direct struct {
	Image float64 `toml:"image" min:"0" max:"100" doc:"weight of the image term beside the dense one"`
}

// Indirect are the parameters of L_indirect.
type Indirect struct {
	Tau         float64 `toml:"tau" unit:"deviations" min:"0.01" max:"100" doc:"feature distance at which the score is 1 - 1/e"`
	Rank        float64 `toml:"rank" min:"0" max:"100" doc:"weight of the order of severity"`
	Hinge       float64 `toml:"hinge" min:"0" max:"100" doc:"weight of the floor under each channel's deviation"`
	Decorrelate float64 `toml:"decorrelate" min:"0" max:"100" doc:"weight of the correlation penalty"`
}

// Optimiser says how weights move.
type Optimiser struct {
	Kind     string  `toml:"kind" oneof:"adamw sgd" doc:"rule by which weights move"`
	Rate     float64 `toml:"rate" min:"0" max:"10" doc:"highest learning rate"`
	Final    float64 `toml:"final_rate" min:"0" max:"10" doc:"learning rate at the end of the cosine"`
	Warmup   int     `toml:"warmup" unit:"steps" min:"0" max:"1000000" doc:"steps over which the rate rises from 0"`
	Decay    float64 `toml:"decay" min:"0" max:"1" doc:"weight decay of convolutions"`
	Momentum float64 `toml:"momentum" min:"0" max:"0.9999" doc:"of sgd"`
	Clip     float64 `toml:"clip" min:"0" max:"1000000" doc:"largest norm of the gradient; 0: any"`
	Average  float64 `toml:"average" min:"0" max:"0.999999" doc:"decay of the moving average of the weights, which is what is exported; 0: the weights themselves"`
}

// Training is the length of a run.
type Training struct {
	Images     int64   `toml:"images" unit:"samples" min:"0" max:"1000000000000" doc:"samples shown; 0 exports the random network"`
	Batch      int     `toml:"batch" unit:"samples" min:"1" max:"4096" doc:"samples of a step"`
	Checkpoint float64 `toml:"checkpoint" unit:"min" min:"0.01" max:"1440" doc:"time between checkpoints"`
	// Validate stays out of the JSON: weights do not depend on it, nor does a checkpoint's identity.
	Validate int64 `toml:"validate" json:"-" unit:"samples" min:"0" max:"1000000000000" doc:"samples between validations; 0: none"`
	Settle   int   `toml:"settle" unit:"batches" min:"1" max:"10000" doc:"batches from which batch-norm statistics are taken at the end"`
	Winograd bool  `toml:"winograd" json:",omitempty" doc:"3x3 convolutions of stride 1 by Winograd's F(2x2, 3x3): faster, other roundings"`
}

// Quantise is the step to int8.
type Quantise struct {
	Pictures   int     `toml:"pictures" min:"1" max:"100000" doc:"calibration pictures"`
	Size       int     `toml:"size" unit:"px" min:"32" max:"1024" multiple:"16" doc:"their side"`
	Percentile float64 `toml:"percentile" unit:"%" min:"0" max:"100" doc:"share of values that is not clipped; 0: least mean square error"`
	Aware      float64 `toml:"aware" json:",omitempty" min:"0" max:"0.5" doc:"share of the run, its last part, in which the network is trained as the device computes it, rounding included; 0: it is rounded at the end only"`
}

// Discriminant is a linear map behind each tap: the directions in which the data set's defects stand
// out from how its surfaces vary.
type Discriminant struct {
	Channels []int `toml:"channels" min:"8" max:"1024" multiple:"4" doc:"directions kept of stages 1 to 3; empty: no map, all channels"`
	Samples  int   `toml:"samples" min:"16" max:"10000000" doc:"samples from which they are taken, after training; surfaces without an object on them"`
	Size     int   `toml:"size" unit:"px" min:"48" max:"1024" multiple:"16" doc:"their side; below 48 the means over 3x3 cells of stage 3 are all alike"`
}

// Teacher is a network trained elsewhere whose features are matched: loss.teacher.
type Teacher struct {
	Model   string `toml:"model" doc:"ONNX file, relative to this file; empty: no teacher"`
	Outputs string `toml:"outputs" doc:"its values at strides 4, 8 and 16, separated by commas; empty: its outputs"`
	SHA256  string `toml:"sha256" doc:"of the file, which is refused where it is another; empty: any. A run keeps to the one it began with"`
	Source  string `toml:"source" doc:"name of the [[source]] that gives its licence"`

	// Input normalisation; left out of the JSON where there is none, as in checkpoints of before these keys.
	Mean []float64 `toml:"mean" json:",omitempty" min:"-10" max:"10" doc:"R, G, B that its input has subtracted from pixel/255; empty, with std: its input is -1 to 1"`
	Std  []float64 `toml:"std" json:",omitempty" min:"0.001" max:"10" doc:"R, G, B by which it is then divided; torchvision: [0.485, 0.456, 0.406] and [0.229, 0.224, 0.225]"`
}

// A Source is where pictures came from, recorded in the .net file.
type Source struct {
	Name    string `toml:"name" doc:"data set"`
	Licence string `toml:"licence" doc:"its licence"`
	Note    string `toml:"note" doc:"authors, address"`
}

// Default returns the recipe whose keys are all left out.
func Default() Recipe {
	return Recipe{
		Name:    "unnamed",
		Data:    Data{Size: 96, Label: "visible", Reuse: 1},
		Network: Network{Width: 32, Blocks: []int{2, 2, 2}},
		Loss: Loss{
			Form: 1, Indirect: 0.5,
			D: Direct{Image: 0.5},
			I: Indirect{Tau: 1, Hinge: 0.1, Decorrelate: 2},
		},
		Optimiser: Optimiser{
			Kind: "adamw", Rate: 3e-3, Final: 1e-6, Warmup: 50, Decay: 1e-3,
			Momentum: 0.9, Clip: 5, Average: 0.999,
		},
		Training:     Training{Images: 100000, Batch: 32, Checkpoint: 5, Validate: 10000, Settle: 16},
		Discriminant: Discriminant{Samples: 3000, Size: 128},
		Quantise:     Quantise{Pictures: 128, Size: 128, Percentile: 99.9},
	}
}

// Read reads a recipe file and its text.
func Read(path string) (*Recipe, string, error) {
	b, err := regular.ReadFile(path)
	if err != nil {
		return nil, "", fmt.Errorf("recipe: %w", err)
	}
	r, err := Parse(string(b))
	if err != nil {
		return nil, "", fmt.Errorf("recipe: %s: %w", path, err)
	}
	return r, string(b), nil
}

// Parse reads a recipe strictly: an unknown key, a wrong type or a value out of
// bounds is an error that names line and key.
func Parse(text string) (*Recipe, error) {
	r := Default()
	d := toml.NewDecoder(bytes.NewReader([]byte(text))).DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return nil, place(err)
	}
	if err := r.check(text); err != nil {
		return nil, err
	}
	for _, list := range []*[]float64{&r.Teacher.Mean, &r.Teacher.Std} {
		if len(*list) == 0 {
			*list = nil // one written as [] is one left out
		}
	}
	if len(r.Discriminant.Channels) == 0 {
		r.Discriminant.Channels = nil
	}
	return &r, nil
}

// place gives the first fault of a decoder's error its line and key.
func place(err error) error {
	var missing *toml.StrictMissingError
	if errors.As(err, &missing) && len(missing.Errors) > 0 {
		e := missing.Errors[0]
		row, _ := e.Position()
		return fmt.Errorf("line %d: %s: unknown key", row, strings.Join(e.Key(), "."))
	}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		row, _ := decode.Position()
		key := strings.Join(decode.Key(), ".")
		if key != "" {
			key += ": "
		}
		return fmt.Errorf("line %d: %s%s", row, key, strings.TrimPrefix(decode.Error(), "toml: "))
	}
	return err
}

// Shape is the trunk's.
func (r *Recipe) Shape() trunk.Shape {
	return trunk.Shape{Width: r.Network.Width, Blocks: [trunk.Stages]int(r.Network.Blocks), Smooth: r.Network.Smooth}
}

// Options are the generator's at a size in pixels.
func (r *Recipe) Options(size int) (synth.Options, error) {
	o := synth.Defaults(size, size)
	for _, name := range sortedKeys(r.Data.Synth) {
		if err := o.Set(name, r.Data.Synth[name]); err != nil {
			return o, err
		}
	}
	return o, o.Validate()
}
