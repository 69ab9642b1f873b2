package config

import "reflect"

// Changes returns the keys whose values differ: those that a running line can change, and those that it cannot.
func Changes(old, now *Config) (live, fixed []string) {
	changes(reflect.ValueOf(*old), reflect.ValueOf(*now), "", &live, &fixed)
	return live, fixed
}

func changes(old, now reflect.Value, prefix string, live, fixed *[]string) {
	for i := range old.NumField() {
		tag := old.Type().Field(i).Tag
		key := prefix + tag.Get("toml")
		switch {
		case old.Field(i).Kind() == reflect.Struct:
			changes(old.Field(i), now.Field(i), key+".", live, fixed)
		case old.Field(i).Equal(now.Field(i)):
		case tag.Get("live") == "yes":
			*live = append(*live, key)
		default:
			*fixed = append(*fixed, key)
		}
	}
}
