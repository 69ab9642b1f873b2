package main

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"cull/infer"
	"cull/internal/container"
	"cull/trainer/internal/onnx"
)

const exportUsage = `usage: cull-trainer export FILE.net [--format FORM] -o FILE.onnx

Writes a network for other programs (ONNX, opset 13):

  onnx             real numbers, no rounding: input (p-128)/127.5 of pixel p, output
                   int8 x step
  onnx-int8        the device's arithmetic: input the pixel, output the device's int8
                   plus 128; steps in the metadata

`

var forms = map[string]onnx.Form{"onnx": onnx.Float, "onnx-int8": onnx.Int8}

func runExport(args []string, stderr io.Writer) int {
	f := flag.NewFlagSet("export", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, exportUsage)
		f.PrintDefaults()
	}
	form := f.String("format", "onnx", "onnx or onnx-int8")
	out := f.String("o", "", "the file to write")
	path, err := parse(f, args)
	if err != nil {
		return misuse(f, err)
	}
	kind, known := forms[*form]
	switch {
	case path == "":
		return misuse(f, errors.New("no network named"))
	case *out == "":
		return misuse(f, errors.New("no output named: -o FILE.onnx"))
	case !known:
		return misuse(f, fmt.Errorf("no format %q", *form))
	}
	m, err := infer.Open(path)
	if err != nil {
		return fail(stderr, err, "")
	}
	o, err := onnx.Export(m, kind)
	if err != nil {
		return fail(stderr, err, "")
	}
	if err := container.WriteFile(*out, o.Encode()); err != nil {
		return fail(stderr, err, "")
	}
	return exitOK
}
