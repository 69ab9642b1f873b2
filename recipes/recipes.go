// Package recipes holds the recipes that cull-trainer table trains its rows by.
package recipes

import (
	"embed"
	"fmt"
)

//go:embed table/*.toml
var table embed.FS

// Table returns the text of table/NAME.toml.
func Table(name string) (string, error) {
	b, err := table.ReadFile("table/" + name + ".toml")
	if err != nil {
		return "", fmt.Errorf("recipes: %w", err)
	}
	return string(b), nil
}
