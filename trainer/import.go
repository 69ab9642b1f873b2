package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"cull/infer"
	"cull/internal/regular"
	"cull/trainer/internal/grad"
	"cull/trainer/internal/onnx"
	"cull/trainer/internal/quantise"
	"cull/trainer/internal/safetensors"
)

const importUsage = `usage: cull-trainer import MODEL --calibrate FOLDER [flags] -o F.net

Makes a .net file of a network trained elsewhere: float weights, picture RGB in -1..1, or what --mean and
--std say: MODEL.onnx, or MODEL.safetensors of a trunk that export wrote.
doc/onnx.md lists the operations that are read. The ranges of the int8 values are
measured on pictures of FOLDER, which must not be pictures that are evaluated later.

`

// An importJob is a command line of import.
type importJob struct {
	model, out, folder string
	outputs            []string
	mean, std          *[3]float64 // of the model's input; both nil: -1..1
	licence            string
	teacher            string // named by the file's metadata
	size, pictures     int
	percentile         float64
	threads            int
}

// runImport brings in a network from elsewhere.
func runImport(args []string, stderr io.Writer) int {
	f := flag.NewFlagSet("import", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, importUsage)
		f.PrintDefaults()
	}
	var j importJob
	f.StringVar(&j.out, "o", "", "the `.net` file to write")
	f.StringVar(&j.folder, "calibrate", "", "`folder` of pictures, folders below it included")
	outputs := f.String("outputs", "", "`names` of values that become taps, separated by commas (default: the model's outputs)")
	mean := f.String("mean", "", "`R,G,B` that the model's input has subtracted from pixel/255; with --std")
	std := f.String("std", "", "`R,G,B` by which it is then divided; torchvision: 0.485,0.456,0.406 and 0.229,0.224,0.225")
	f.StringVar(&j.licence, "licence", "", "`licence` of the weights, kept in the file")
	f.IntVar(&j.size, "size", 256, "side of a calibration picture, `pixels`")
	f.IntVar(&j.pictures, "pictures", 64, "calibration pictures")
	f.Float64Var(&j.percentile, "percentile", 99.99, "share of values, in percent, that is not clipped; 0: least mean square error")
	f.IntVar(&j.threads, "threads", runtime.NumCPU(), "threads; the result does not depend on it")
	var err error
	j.model, err = parse(f, args)
	switch {
	case err != nil:
		return misuse(f, err)
	case j.model == "":
		return misuse(f, errors.New("import needs a model"))
	case !strings.HasSuffix(j.out, ".net"):
		return misuse(f, errors.New("import needs -o with a .net file"))
	case j.folder == "":
		return misuse(f, errors.New("import needs --calibrate with a folder"))
	case j.size < 32 || j.size > 1024:
		return misuse(f, fmt.Errorf("--size %d: want 32 to 1024", j.size))
	case j.pictures < 1 || j.pictures > 100000:
		return misuse(f, fmt.Errorf("--pictures %d: want 1 to 100000", j.pictures))
	case !(j.percentile >= 0 && j.percentile <= 100):
		return misuse(f, fmt.Errorf("--percentile %g: want 0 to 100", j.percentile))
	case j.threads < 1 || j.threads > 1024:
		return misuse(f, fmt.Errorf("--threads %d: want 1 to 1024", j.threads))
	}
	if j.mean, err = triple(*mean); err != nil {
		return misuse(f, fmt.Errorf("--mean %w", err))
	}
	if j.std, err = triple(*std); err != nil {
		return misuse(f, fmt.Errorf("--std %w", err))
	}
	if (j.mean == nil) != (j.std == nil) {
		return misuse(f, errors.New("--mean and --std belong together"))
	}
	if *outputs != "" {
		j.outputs = strings.Split(*outputs, ",")
	}
	if !writable(j.out, stderr) {
		return exitError
	}
	limit(j.threads)
	m, err := j.run(stderr)
	if err != nil {
		return fail(stderr, err, cmp.Or(remedy(err), "doc/onnx.md says what can be imported"))
	}
	return deliver(m, j.out, stderr)
}

// run imports, calibrates, quantises and reports what was lost.
func (j *importJob) run(report io.Writer) (*infer.Model, error) {
	n, err := j.read()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", j.model, err)
	}
	if j.mean != nil {
		if err := onnx.Normalise(n, *j.mean, *j.std); err != nil {
			return nil, fmt.Errorf("%s: %w", j.model, err)
		}
	}
	if _, err := n.Graph.Shapes(j.size, j.size); err != nil {
		return nil, hinted{fmt.Errorf("%s: %w", j.model, err), "give a larger --size, or earlier --outputs"}
	}
	all, err := pictures(j.folder, j.size, j.pictures+j.pictures/8+1)
	if err != nil {
		return nil, err
	}
	pictures, test := apart(all)
	be := grad.NewCPU(j.threads)
	ranges, err := quantise.Calibrate(be, n, quantise.Rule{Percentile: j.percentile}, batches(pictures, j.size))
	if err != nil {
		return nil, err
	}
	m, err := quantise.Model(n, ranges)
	if err != nil {
		return nil, err
	}
	j.describe(m, len(pictures))
	h, w := 64, 96 // of the known answers
	if _, err := m.Graph.Shapes(h, w); err != nil {
		h, w = j.size, j.size
	}
	if err := m.AddAnswers(h, w, 1, 2); err != nil {
		return nil, fmt.Errorf("%s: %w", j.model, err)
	}
	losses, err := quantise.Compare(be, n, ranges, m, j.size, test)
	if err != nil {
		return nil, err
	}
	var taps []quantise.Loss
	for _, t := range n.Graph.Taps {
		if t.Node > 0 {
			l := losses[t.Node-1]
			taps = append(taps, quantise.Loss{Name: t.Name, SNR: l.SNR, Clip: l.Clip})
		}
	}
	return m, quantise.Print(report, taps)
}

// read returns the float network of the file: our own trunk's safetensors, or ONNX.
func (j *importJob) read() (*quantise.Network, error) {
	b, err := regular.ReadFile(j.model)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(j.model, ".safetensors") {
		o, err := onnx.Parse(b)
		if err != nil {
			return nil, fmt.Errorf("%w: want an ONNX file, or a .safetensors file by that name", err)
		}
		return onnx.ImportAt(j.size, o, j.outputs...)
	}
	if j.outputs != nil {
		return nil, errors.New("--outputs: a trunk's outputs are its three stages")
	}
	f, err := safetensors.Parse(b)
	if err != nil {
		return nil, err
	}
	if j.teacher = f.Meta["teacher"]; len(j.teacher) > 256 {
		return nil, errors.New("metadata: teacher: more than 256 bytes")
	}
	return fromSafeTensors(f)
}

// triple reads three numbers separated by commas, nil for none.
func triple(text string) (*[3]float64, error) {
	if text == "" {
		return nil, nil
	}
	parts := strings.Split(text, ",")
	if len(parts) != 3 {
		return nil, fmt.Errorf("%q: want three numbers, R,G,B", text)
	}
	v := new([3]float64)
	for i, p := range parts {
		var err error
		if v[i], err = strconv.ParseFloat(p, 64); err != nil || !(math.Abs(v[i]) <= 1e6) {
			return nil, fmt.Errorf("%q: want three numbers, R,G,B", text)
		}
	}
	return v, nil
}

// apart takes every ninth picture out, for the report; one alone is in both parts.
func apart(all [][]uint8) (calibrate, test [][]uint8) {
	for i, p := range all {
		if i%9 == 4 || len(all) == 1 {
			test = append(test, p)
		}
		if i%9 != 4 {
			calibrate = append(calibrate, p)
		}
	}
	if len(test) == 0 {
		test = all[:1]
	}
	return calibrate, test
}

// batches serves pictures two at a time.
func batches(pictures [][]uint8, size int) func(func(*grad.Tensor)) error {
	const n = 2
	return func(f func(*grad.Tensor)) error {
		for i := 0; i < len(pictures); i += n {
			part := pictures[i:min(i+n, len(pictures))]
			x := grad.NewTensor(len(part), size, size, 3)
			for k, p := range part {
				quantise.Load(x, k, p)
			}
			f(x)
		}
		return nil
	}
}

// describe records where the weights came from.
func (j *importJob) describe(m *infer.Model, calibrated int) {
	multiple := 1
	for _, t := range m.Graph.Taps {
		multiple = max(multiple, m.Graph.Stride(t.Node))
	}
	ext := filepath.Ext(j.model)
	name := strings.TrimSuffix(filepath.Base(j.model), ext)
	m.Meta = infer.Meta{
		Name: name, CreatedBy: "cull-trainer",
		Sources: []infer.Source{{Name: name, Licence: j.licence, Note: "imported from " + filepath.Base(j.model)}},
		Input:   infer.Geometry{Size: j.size, Smallest: min(64, j.size), Multiple: multiple},
		Notes: map[string]string{
			"calibration": fmt.Sprintf("%d pictures of %s", calibrated, filepath.Base(j.folder)),
		},
	}
	if j.teacher != "" {
		m.Meta.Notes["teacher"] = j.teacher
	}
}
