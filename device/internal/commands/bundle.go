package commands

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"cull/infer"
	"cull/internal/container"
	"cull/internal/inspect"
	"cull/internal/product"
	"cull/internal/regular"
)

const bundleSynopsis = "show|verify [--net FILE] FILE"

func bundleCommand() Command {
	return Command{
		Name: "bundle", Synopsis: bundleSynopsis,
		Does: "shows or verifies a network or product file",
		Run:  Bundle,
	}
}

// Bundle runs `cull bundle`.
func Bundle(_ context.Context, env Env, args []string) error {
	fs := flag.NewFlagSet("bundle", flag.ContinueOnError)
	net := fs.String("net", "", "the network `file` of a product to verify (default: the built-in one)")
	rest, err := parse(env, "bundle", bundleSynopsis, fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 2 {
		return Hint(usagef("bundle: want a verb and a file"), "cull bundle %s", bundleSynopsis)
	}
	b, err := openBundle(rest[1])
	if err != nil {
		return bundleHint(rest[1], err)
	}
	switch rest[0] {
	case "show":
		return b.show(env.Stdout)
	case "verify":
		return b.verify(env.Stdout, *net)
	}
	return Hint(usagef("bundle: no verb %q", rest[0]), "cull bundle %s", bundleSynopsis)
}

// A bundle is a file whose digests have been checked, and what it holds.
type bundle struct {
	path    string
	size    int
	file    *container.File
	net     *infer.Model     // of a .net
	product *product.Product // of a .product
}

func openBundle(path string) (*bundle, error) {
	data, err := readBundle(path)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	b := &bundle{path: path, size: len(data)}
	b.file, err = container.Parse(data, infer.Kind, infer.Version)
	if errors.Is(err, container.ErrKind) {
		b.file, err = container.Parse(data, product.Kind, product.Version)
	}
	if err != nil {
		return nil, fmt.Errorf("bundle: %s: %w", path, err)
	}
	if b.file.Kind == infer.Kind {
		b.net, err = infer.Parse(data)
	} else {
		b.product, err = product.Parse(data)
	}
	if err != nil {
		return nil, fmt.Errorf("bundle: %s: %w", path, err)
	}
	return b, nil
}

func readBundle(path string) ([]byte, error) {
	f, size, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > container.MaxSize {
		return nil, fmt.Errorf("%s: not a regular file of at most %d bytes", path, container.MaxSize)
	}
	return io.ReadAll(io.LimitReader(f, size))
}

func bundleHint(path string, err error) error {
	switch {
	case errors.Is(err, container.ErrForeign), isOtherFile(path, err):
		return Hint(err, "cull-trainer writes .net files, cull teach writes .product files")
	}
	return Hint(err, "%s", pathHint(err, "copy the file again from where it was made"))
}

// show writes what is in the file.
func (b *bundle) show(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	digest := b.file.Digest()
	fmt.Fprintf(t, "file\t%s, %d bytes\n", b.path, b.size)
	fmt.Fprintf(t, "kind\t%s, version %d\n", b.file.Kind, b.file.Version)
	fmt.Fprintf(t, "sha256\t%x\n", digest)
	fmt.Fprintf(t, "signed\t%s\n", b.signer())
	if b.net != nil {
		showNet(t, b.net)
	} else {
		showProduct(t, b.product)
	}
	fmt.Fprintln(t, "\nsection\tbytes\tsha256")
	for _, s := range b.file.Sections() {
		fmt.Fprintf(t, "%s\t%d\t%x\n", s.Name, len(s.Data), sha256.Sum256(s.Data))
	}
	if b.net != nil && b.net.Meta.Recipe != "" {
		fmt.Fprintf(t, "\nrecipe\n%s\n", strings.TrimRight(b.net.Meta.Recipe, "\n"))
	}
	return t.Flush()
}

func (b *bundle) signer() string {
	if key := b.file.Signer(); key != nil {
		return "by ed25519 key " + hex.EncodeToString(key)
	}
	return "no"
}

func showNet(t io.Writer, m *infer.Model) {
	fmt.Fprintf(t, "name\t%s\n", m.Meta.Name)
	if m.Meta.CreatedBy != "" {
		fmt.Fprintf(t, "made by\t%s\n", m.Meta.CreatedBy)
	}
	if m.Meta.Images > 0 { // an imported network does not say
		fmt.Fprintf(t, "trained on\t%d images, seed %d\n", m.Meta.Images, m.Meta.Seed)
	}
	for _, s := range m.Meta.Sources {
		fmt.Fprintf(t, "source\t%s, %s%s\n", s.Name, s.Licence, prefixed(", ", s.Note))
	}
	weights := 0
	for _, p := range m.Params {
		weights += len(p.Weights)
	}
	fmt.Fprintf(t, "network\t%d nodes, %d int8 weights\n", len(m.Graph.Nodes), weights)
	size := inspect.Geometry(m, 0)
	if macs, err := m.Graph.MACs(size.Height, size.Width); err == nil {
		fmt.Fprintf(t, "cost\t%.3f GMAC at %d x %d pixels\n", float64(macs)/1e9, size.Width, size.Height)
	}
	channels := m.Graph.Channels()
	for _, tap := range m.Graph.Taps {
		fmt.Fprintf(t, "tap\t%s: %d channels, stride %d\n", tap.Name, channels[tap.Node], m.Graph.Stride(tap.Node))
	}
	fmt.Fprintf(t, "self-test\t%d known answers (cull bundle verify replays them)\n", len(m.Answers))
}

func showProduct(t io.Writer, p *product.Product) {
	fmt.Fprintf(t, "network\t%x\n", p.Net)
	fmt.Fprintf(t, "taught\t%s, %d good parts, mode %v\n", p.Created.Format("2006-01-02 15:04:05 MST"), p.Report.Parts, p.Report.Mode)
	fmt.Fprintf(t, "frame\t%d x %d pixels\n", p.Frame.X, p.Frame.Y)
	fmt.Fprintf(t, "picture\t%d x %d pixels, %v\n", p.Plan.Width, p.Plan.Height, p.Plan.Fit)
	if !p.Plan.Region.Empty() {
		fmt.Fprintf(t, "region\t%v\n", p.Plan.Region)
	}
	if p.Model.Ignored() != nil {
		fmt.Fprintf(t, "ignored\t%s\n", ignoredOf(p))
	}
	if p.Light != nil {
		fmt.Fprintf(t, "light\t%s\n", lightOf(p))
	}
	if len(p.Mirrors) > 0 {
		fmt.Fprintf(t, "mirrored\t%s\n", mirrorsOf(p))
	}
	threshold := p.Report.Threshold
	rate, low, high := threshold.Expect()
	fmt.Fprintf(t, "threshold\t%.4g, %v\n", threshold.Value, threshold.Method)
	fmt.Fprintf(t, "expect\t%s of good parts rejected, 95 %% interval %s to %s\n", percent(rate), percent(low), percent(high))
	for _, i := range p.Report.Suspects() {
		fmt.Fprintf(t, "suspect\tgood part %d, score %.4g\n", i+1, p.Report.Scores[i])
	}
	for _, g := range p.Goldens {
		fmt.Fprintf(t, "golden\t%s: %v, score %.4g\n", g.Name, g.Verdict, g.Score)
	}
}

// ignoredOf says how much of the picture a mask or the bars of a letterbox hide.
func ignoredOf(p *product.Product) string {
	cells, n := p.Model.Ignored(), 0
	for _, ignored := range cells {
		if ignored {
			n++
		}
	}
	return fmt.Sprintf("%d of %d cells, behind the mask or outside the frame", n, len(cells))
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// verify replays what the file says must come out on every machine.
func (b *bundle) verify(w io.Writer, net string) error {
	if b.net != nil {
		if err := b.net.SelfTest(1); err != nil {
			return Hint(fmt.Errorf("bundle: %s: %w", b.path, err), "this CPU computes something else than the trainer's: report it")
		}
		_, err := fmt.Fprintf(w, "%s: ok, %d sections, %d known answers reproduced (kernel %s), signed: %s\n",
			b.path, len(b.file.Sections()), len(b.net.Answers), infer.Kernel(), b.signer())
		return err
	}
	m, err := openNetwork(net)
	if err != nil {
		return err
	}
	if err := b.product.CheckNet(m.Digest()); err != nil {
		return productHint(b.path, fmt.Errorf("bundle: %s: %w", b.path, err))
	}
	in, err := inspect.Open(b.product, m, 1)
	if err != nil {
		return Hint(fmt.Errorf("bundle: %s: %w", b.path, err), "teach the product again on this machine")
	}
	defer in.Close()
	_, err = fmt.Fprintf(w, "%s: ok, %d sections, %d golden pictures reproduced (kernel %s), signed: %s\n",
		b.path, len(b.file.Sections()), len(b.product.Goldens), infer.Kernel(), b.signer())
	return err
}
