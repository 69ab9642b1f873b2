package commands

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"cull/capture"
	"cull/infer"
	"cull/infer/prep"
	"cull/internal/imagefile"
	"cull/internal/inspect"
	"cull/internal/product"
)

const inspectSynopsis = "[--json] [--overlay DIR] [--net F] PRODUCT IMAGE..."

func inspectCommand() Command {
	return Command{
		Name: "inspect", Synopsis: inspectSynopsis,
		Does: "scores pictures against a product",
		Run:  Inspect,
	}
}

// An inspectAnswer is the JSON of `cull inspect`.
type inspectAnswer struct {
	Product   string       `json:"product"`
	NetSHA256 string       `json:"net_sha256"`
	Threshold float32      `json:"threshold"`
	Images    []inspection `json:"images"`
}

type inspection struct {
	Image   string  `json:"image"`
	Score   float32 `json:"score"`
	Margin  float64 `json:"margin"` // (threshold-score)/threshold
	Verdict string  `json:"verdict"`
	Overlay string  `json:"overlay,omitempty"` // file of the heat map
}

// Inspect runs `cull inspect`.
func Inspect(ctx context.Context, env Env, args []string) error {
	fs := flag.NewFlagSet("inspect", flag.ContinueOnError)
	asJSON := fs.Bool("json", false, "answer as JSON")
	overlay := fs.String("overlay", "", "write heat maps to `folder`")
	net := fs.String("net", "", "network `file` (default: the built-in one)")
	rest, err := parse(env, "inspect", inspectSynopsis, fs, args)
	if err != nil {
		return err
	}
	if len(rest) < 2 {
		return Hint(usagef("inspect: want a product and at least one picture"),
			"cull inspect bottle.product part-*.png")
	}
	in, p, err := openProduct(rest[0], *net)
	if err != nil {
		return err
	}
	defer in.Close()
	answer := inspectAnswer{
		Product: rest[0], NetSHA256: hex.EncodeToString(p.Net[:]), Threshold: p.Gate().Threshold,
	}
	if err := sparesPictures(*overlay, rest[1:]); err != nil {
		return err
	}
	names, maps := overlayNames{dir: *overlay}, make([]string, len(rest)-1) // one heat map a picture, empty: none
	for i, path := range rest[1:] {
		if *overlay == "" {
			break
		}
		maps[i] = names.of(path)
		if err := replaceable(maps[i]); err != nil {
			return err
		}
	}
	for i, path := range rest[1:] {
		if err := ctx.Err(); err != nil {
			return err
		}
		one, err := inspectOne(in, path, maps[i])
		if err != nil {
			if *asJSON && i > 0 { // what was judged before, as text has it
				err = cmp.Or(writeJSON(env, "-", answer), err)
			}
			return err
		}
		answer.Images = append(answer.Images, one)
		if *asJSON {
			continue
		}
		if _, err := fmt.Fprintf(env.Stdout, "%-6s score %.4g threshold %.4g margin %+.1f %% %s\n",
			one.Verdict, one.Score, answer.Threshold, 100*one.Margin, one.Image); err != nil {
			return Hint(fmt.Errorf("inspect: the verdict of %s: %w", path, err), "give it an output that takes the answer")
		}
	}
	if *asJSON {
		return writeJSON(env, "-", answer)
	}
	return nil
}

// openProduct opens a product with the network it was taught on.
func openProduct(path, net string) (*inspect.Inspector, *product.Product, error) {
	m, err := openNetwork(net)
	if err != nil {
		return nil, nil, err
	}
	p, err := readProduct(path, m)
	if err != nil {
		return nil, nil, err
	}
	in, err := inspect.Open(p, m, runtime.GOMAXPROCS(0))
	return in, p, Hint(err, "teach the product again on this machine")
}

// readProduct reads the product at path, which must have been taught on m.
func readProduct(path string, m *infer.Model) (*product.Product, error) {
	p, err := product.Open(path, m.Digest())
	if err != nil {
		return nil, productHint(path, err)
	}
	return p, nil
}

// productHint adds the remedy to the error of opening the product at path.
func productHint(path string, err error) error {
	switch {
	case isOtherFile(path, err):
		return Hint(err, "name a .product file, as cull teach writes them")
	case errors.Is(err, product.ErrOtherNet):
		return Hint(err, "name the network it was taught on (--net FILE; network in a configuration), or run cull teach again")
	case errors.Is(err, fs.ErrNotExist):
		return Hint(err, "cull teach makes a product from pictures of good parts")
	}
	if errors.Is(err, fs.ErrPermission) {
		return Hint(err, "make it readable for who runs cull")
	}
	return Hint(err, "copy the file again, or run cull teach again")
}

// inspectOne judges the picture at path and, where heat names a file, writes its heat map there.
func inspectOne(in *inspect.Inspector, path, heat string) (inspection, error) {
	f, err := imagefile.Read(path)
	if err != nil {
		return inspection{}, pictureHint(path, err)
	}
	r, err := in.Inspect(f)
	if err != nil {
		return inspection{}, pictureHint(path, err)
	}
	one := inspection{Image: path, Score: r.Score, Margin: r.Margin(), Verdict: r.Verdict.String(), Overlay: heat}
	if heat != "" {
		plan := func(*capture.Frame) prep.Plan { return in.Plan() }
		if err := writeOverlay(heat, f, plan, r); err != nil {
			return inspection{}, err
		}
	}
	return one, nil
}

func pictureHint(path string, err error) error {
	info, e := os.Stat(path)
	switch {
	case e == nil && info.IsDir():
		return Hint(err, "name the pictures in it: %s", filepath.Join(path, "*"))
	case imagefile.Remedy(err) != "":
		return Hint(err, "%s", imagefile.Remedy(err))
	case errors.Is(err, inspect.ErrFormat):
		return Hint(err, "pictures must come as from the camera that took the good parts")
	case errors.Is(err, prep.ErrRegion):
		return Hint(err, "the product looks at a region of a larger picture: use pictures of the same camera")
	case errors.Is(err, fs.ErrNotExist):
		return Hint(err, "check the name of the picture")
	}
	return Hint(err, "pictures are PNG, JPEG, BMP or TIFF, whole files")
}
