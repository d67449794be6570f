package strict

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Unmarshaler is a type that decodes itself, as one that takes values of
// several kinds. It notes problems in the document.
type Unmarshaler interface {
	UnmarshalStrict(d *Document, n Node)
}

// Decode lays a value of the document over the variable that into points to:
// text, numbers, true and false, times, lists, maps with text as keys, structs,
// pointers to them, and types that implement Unmarshaler or
// encoding.TextUnmarshaler. Keys that the document does not mention stay as they
// are. What is wrong is noted: see Err.
func (d *Document) Decode(n Node, into any) { d.decode(n, reflect.ValueOf(into).Elem()) }

func (d *Document) decode(n Node, to reflect.Value) {
	if !d.visit(n) {
		return
	}
	switch into := to.Addr().Interface().(type) {
	case *Node:
		*into = n
		return
	case Unmarshaler:
		into.UnmarshalStrict(d, n)
		return
	case *time.Duration:
		d.scalar(n, "a time like 90s, 5m, 1h30m or 30d", func(text string) (err error) {
			*into, err = ParseDuration(text)
			return err
		})
		return
	case encoding.TextUnmarshaler:
		d.scalar(n, "another value", func(text string) error { return into.UnmarshalText([]byte(text)) })
		return
	}
	switch to.Kind() {
	case reflect.Pointer:
		// Whoever shares the old value keeps it.
		fresh := reflect.New(to.Type().Elem())
		d.decode(n, fresh.Elem())
		to.Set(fresh)
	case reflect.Struct:
		d.decodeStruct(n, to)
	case reflect.Map:
		fresh := reflect.MakeMap(to.Type())
		for _, e := range d.Entries(n) {
			value := reflect.New(to.Type().Elem()).Elem()
			d.decode(e.Value, value)
			fresh.SetMapIndex(reflect.ValueOf(e.Key), value)
		}
		to.Set(fresh)
	case reflect.Slice:
		d.decodeList(n, to)
	case reflect.String:
		d.scalar(n, "a text", func(text string) error {
			to.SetString(text)
			return nil
		})
	case reflect.Int:
		d.scalar(n, "a whole number, not below zero", func(text string) error {
			number, err := strconv.ParseUint(text, 10, 31)
			to.SetInt(int64(number))
			return err
		})
	case reflect.Bool:
		d.scalar(n, "true or false", func(text string) error {
			if text != "true" && text != "false" {
				return fmt.Errorf("%q is neither", text)
			}
			to.SetBool(text == "true")
			return nil
		})
	default:
		panic(fmt.Sprintf("strict: no way to decode a %s", to.Type()))
	}
}

// scalar parses a text. Those with a NUL are refused: no path, program or
// variable can hold one.
func (d *Document) scalar(n Node, want string, parse func(string) error) {
	text, ok := scalarText(d.follow(n.node))
	switch {
	case !ok:
		d.Refuse(n, "want %s, got %s", want, d.kind(n))
	case strings.ContainsRune(text, 0):
		d.Refuse(n, "a text with a NUL in it is of no use")
	default:
		if err := parse(text); err != nil {
			d.Refuse(n, "want %s: %v", want, err)
		}
	}
}

func (d *Document) decodeList(n Node, to reflect.Value) {
	if !d.IsList(n) {
		d.Refuse(n, "want a list, got %s", d.kind(n))
		return
	}
	fresh := reflect.MakeSlice(to.Type(), 0, 0)
	for _, item := range d.mergedBy(n) {
		item.key = nil
		value := reflect.New(to.Type().Elem()).Elem()
		d.decode(item, value)
		fresh = reflect.Append(fresh, value)
	}
	to.Set(fresh)
}

func (d *Document) decodeStruct(n Node, to reflect.Value) {
	fields := map[string]reflect.Value{}
	fieldsOf(to, fields)
	for _, e := range d.Entries(n) {
		field, known := fields[e.Key]
		switch {
		case known:
			d.decode(e.Value, field)
		case password.MatchString(e.Key + ":"):
			d.Refuse(e.Value, "no password belongs here: name where it is by password-file or password-env")
		default:
			d.Refuse(e.Value, "there is no key %q here: want %s", e.Key, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
	}
}

// fieldsOf gathers the fields of a struct by their keys.
func fieldsOf(v reflect.Value, fields map[string]reflect.Value) {
	for i := range v.NumField() {
		tag, ok := v.Type().Field(i).Tag.Lookup("yaml")
		switch {
		case tag == ",inline":
			fieldsOf(v.Field(i), fields)
		case ok && tag != "-":
			fields[tag] = v.Field(i)
		}
	}
}

// ParseDuration is time.ParseDuration, with days (d) and weeks (w) besides, and
// none below zero.
func ParseDuration(text string) (time.Duration, error) {
	for unit, hours := range map[string]int64{"d": 24, "w": 7 * 24} {
		if count, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.ParseUint(count, 10, 13)
			return time.Duration(n) * time.Duration(hours) * time.Hour, err
		}
	}
	t, err := time.ParseDuration(text)
	if err == nil && t < 0 {
		err = fmt.Errorf("%s is below zero", t)
	}
	return t, err
}
