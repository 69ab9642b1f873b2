package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"

	"cull/infer"
	"cull/internal/container"
	"cull/trainer/internal/onnx"
	"cull/trainer/internal/quantise"
)

const exportUsage = `usage: cull-trainer export FILE.net [--format FORM] -o FILE
       cull-trainer export FILE.ckpt [--folder DIR] [--teacher FILE.onnx] -o FILE.safetensors

Writes a network for other programs:

  onnx             real numbers, no rounding: input (p-128)/127.5 of pixel p, output
                   int8 x step (opset 13)
  onnx-int8        the device's arithmetic: input the pixel, output the device's int8
                   plus 128; steps in the metadata (opset 13)
  safetensors      float parameters under PyTorch's names, of this program's own trunk:
                   of a .net file int8 x scale with batch normalisation folded, of a
                   checkpoint what was trained; import reads both

`

// Formats of export.
const (
	formatONNX        = "onnx"
	formatONNXInt8    = "onnx-int8"
	formatSafeTensors = "safetensors"

	extSafeTensors = "." + formatSafeTensors
)

// An exportJob is a command line of export.
type exportJob struct {
	format, out     string
	folder, teacher string // of a checkpoint
}

func runExport(args []string, stderr io.Writer) int {
	f := flag.NewFlagSet("export", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, exportUsage)
		f.PrintDefaults()
	}
	var j exportJob
	f.StringVar(&j.format, "format", "", "onnx, onnx-int8 or safetensors (default: by the name of the output, onnx or safetensors)")
	f.StringVar(&j.out, "o", "", "the `file` to write")
	f.StringVar(&j.folder, "folder", "", "`folder` of pictures, for a checkpoint whose recipe has data.folder")
	f.StringVar(&j.teacher, "teacher", "", "the ONNX `file` of a checkpoint whose recipe has a teacher")
	path, err := parse(f, args)
	if err == nil {
		err = j.check(path)
	}
	if err != nil {
		return misuse(f, err)
	}
	if !writable(j.out, stderr) {
		return exitError
	}
	b, err := j.encode(path)
	var misfit misfitError
	switch {
	case errors.As(err, &misfit):
		return misuse(f, err)
	case err != nil:
		return fail(stderr, err, cmp.Or(remedy(err), "doc/onnx.md says what can be exported"))
	}
	if err := container.WriteFile(j.out, b); err != nil {
		return fail(stderr, err, "")
	}
	return exitOK
}

// check completes the command line.
func (j *exportJob) check(path string) error {
	if j.format == "" {
		j.format = formatONNX
		if strings.HasSuffix(j.out, extSafeTensors) {
			j.format = formatSafeTensors
		}
	}
	ext := ".onnx"
	if j.format == formatSafeTensors {
		ext = extSafeTensors
	}
	checkpoint := strings.HasSuffix(path, ".ckpt")
	switch {
	case path == "":
		return errors.New("no network named")
	case j.out == "":
		return errors.New("no output named: -o FILE")
	case j.format != formatONNX && j.format != formatONNXInt8 && j.format != formatSafeTensors:
		return fmt.Errorf("no format %q", j.format)
	case !strings.HasSuffix(j.out, ext):
		return fmt.Errorf("-o %s: the name of format %s ends in %s", j.out, j.format, ext)
	case checkpoint && j.format != formatSafeTensors:
		return errors.New("a .ckpt file goes to a .safetensors file; quantize makes a .net file of it, which goes to ONNX")
	case !checkpoint && (j.folder != "" || j.teacher != ""):
		return errors.New("--folder and --teacher are for a .ckpt file")
	}
	return nil
}

// encode reads the network and returns the bytes of the output.
func (j *exportJob) encode(path string) ([]byte, error) {
	if strings.HasSuffix(path, ".ckpt") {
		return j.checkpoint(path)
	}
	m, err := infer.Open(path)
	if err != nil {
		return nil, err
	}
	if j.format == formatSafeTensors {
		t, _, err := quantise.Trunk(m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		f := safeTensors(t, quantise.Projections(m))
		f.Meta["name"] = m.Meta.Name
		if of := m.Meta.Notes["teacher"]; of != "" {
			f.Meta["teacher"] = of
		}
		return f.Encode()
	}
	form := onnx.Float
	if j.format == formatONNXInt8 {
		form = onnx.Int8
	}
	o, err := onnx.Export(m, form)
	if err != nil {
		return nil, err
	}
	return o.Encode(), nil
}

// checkpoint returns the float network that quantize would make int8.
func (j *exportJob) checkpoint(path string) ([]byte, error) {
	run, err := openRun(path, j.folder, j.teacher, runtime.NumCPU())
	if err != nil {
		return nil, err
	}
	t, projections, err := run.Trunk()
	if err != nil {
		return nil, err
	}
	f := safeTensors(t, projections)
	f.Meta["name"] = run.Recipe.Name
	if j.teacher != "" {
		f.Meta["teacher"] = filepath.Base(j.teacher) + ", sha256 " + run.Recipe.Teacher.SHA256
	}
	return f.Encode()
}
