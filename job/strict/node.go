package strict

import (
	"fmt"
	"slices"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// Node is a value in a document that is decoded later. A field of this type
// takes any value.
type Node struct {
	node ast.Node
	key  *token.Token // of the key that it stands behind, nil in a list
}

// Given tells whether the document has this value at all.
func (n Node) Given() bool { return n.node != nil }

// Root is the whole document.
func (d *Document) Root() Node { return Node{node: d.root} }

// Text is the text of a scalar; ok tells whether it is one.
func (d *Document) Text(n Node) (text string, ok bool) { return scalarText(d.follow(n.node)) }

// IsList tells whether the value is a list.
func (d *Document) IsList(n Node) bool {
	_, list := d.follow(n.node).(*ast.SequenceNode)
	return list
}

// Entry is a key of a mapping and its value.
type Entry struct {
	Key   string
	Value Node
}

// Entries are the entries of a mapping in their order, merged ones last. A value
// that is no mapping is refused.
func (d *Document) Entries(n Node) []Entry {
	var entries []Entry
	d.entries(n, map[string]bool{}, &entries)
	return entries
}

// Lookup is the value of a key in a mapping; without such a key, it is not
// given, but stands where the mapping does.
func (d *Document) Lookup(n Node, key string) Node {
	for _, e := range d.Entries(n) {
		if e.Key == key {
			return e.Value
		}
	}
	return Node{key: n.token()}
}

func (n Node) token() *token.Token {
	if n.key != nil || n.node == nil {
		return n.key
	}
	return n.node.GetToken()
}

// entries appends to out what is not taken yet: a mapping's own keys go before
// those that it merges.
func (d *Document) entries(n Node, taken map[string]bool, out *[]Entry) {
	if !d.visit(n) {
		return
	}
	mapping, ok := d.follow(n.node).(ast.MapNode)
	if !ok {
		d.Refuse(n, "want a mapping of keys to values, got %s", d.kind(n))
		return
	}
	var merged []Node
	own := map[string]bool{}
	for it := mapping.MapRange(); it.Next(); {
		if it.Key().IsMergeKey() {
			merged = append(merged, d.mergedBy(Node{it.Value(), it.Key().GetToken()})...)
			continue
		}
		value := Node{it.Value(), it.Key().GetToken()}
		key, isText := scalarText(d.follow(it.Key()))
		switch {
		case !isText:
			d.Refuse(value, "want a key that is a plain text")
		case own[key]:
			d.Refuse(value, "the key %q is there twice", key)
		case !taken[key]:
			*out = append(*out, Entry{key, value})
		}
		own[key] = true
	}
	for key := range own {
		taken[key] = true
	}
	for _, m := range merged {
		d.entries(m, taken, out)
	}
}

// mergedBy are the mappings behind a merge key: one, or a list of them.
func (d *Document) mergedBy(n Node) []Node {
	list, ok := d.follow(n.node).(*ast.SequenceNode)
	if !ok {
		return []Node{n}
	}
	var nodes []Node
	for _, value := range list.Values {
		nodes = append(nodes, Node{value, n.key})
	}
	return nodes
}

// visit counts. When it returns false there is no end in sight.
func (d *Document) visit(n Node) bool {
	if d.visits++; d.visits == maxVisits {
		d.Refuse(n, "with all its aliases followed, the file has more than %d values", maxVisits)
	}
	return d.visits < maxVisits
}

// follow is what stands behind anchors and aliases; nil if that is unknown, or
// never comes to an end.
func (d *Document) follow(n ast.Node) ast.Node {
	var seen []ast.Node
	for n != nil && !slices.Contains(seen, n) {
		seen = append(seen, n)
		switch node := n.(type) {
		case *ast.AnchorNode:
			n = node.Value
		case *ast.AliasNode:
			n = d.anchors[node.Value.GetToken().Value]
		default:
			return n
		}
	}
	return nil
}

// scalarText is the text of a scalar as it is written, without its quotes.
func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// kind names a value's kind for people.
func (d *Document) kind(n Node) string {
	switch node := d.follow(n.node).(type) {
	case nil:
		return "an alias that leads nowhere"
	case *ast.NullNode:
		return "no value"
	case ast.MapNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode, *ast.LiteralNode:
		return "a text"
	case *ast.BoolNode:
		return "true or false"
	case *ast.IntegerNode, *ast.FloatNode:
		return "a number"
	case *ast.TagNode:
		return fmt.Sprintf("the tag %s", node.GetToken().Value)
	}
	return "something else"
}

// Line is the number of the line where the value stands, from 1; 0 if unknown.
func (n Node) Line() int {
	if t := n.token(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}
