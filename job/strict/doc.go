// Package strict reads YAML into Go values and refuses whatever it is not sure
// of: unknown and doubled keys, values of another type, numbers below zero, keys
// without a value, tags, several documents. Each problem names file, line and
// column and shows the line; all of them are found in one go.
//
// Start at [Parse], then [Document.Decode]. Types say their keys by `yaml` tags,
// embedded structs by `yaml:",inline"`. Decoding changes only what the file
// mentions, so that settings can be laid over others.
//
// Anchors, aliases and merge keys (<<) work. What they make of a small file is
// bounded, as are its size and its nesting.
package strict
