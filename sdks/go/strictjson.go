package verifier

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

type object = map[string]any

// parseStrictObject parses a JSON object (RFC 8259) whose member names are unique at every level and whose depth is
// limited. encoding/json keeps only the last of two equal names and matches names without regard to case, so an
// attacker could show two readers two different tokens. False for anything else. Numbers are float64, as in JavaScript.
func parseStrictObject(text string) (object, bool) {
	if !utf8.ValidString(text) {
		return nil, false
	}
	reader := jsonReader{text: text}
	reader.skipSpace()
	if reader.peek() != '{' {
		return nil, false
	}
	value, ok := reader.value(0)
	reader.skipSpace()
	if !ok || reader.at != len(text) {
		return nil, false
	}
	parsed, ok := value.(object)
	return parsed, ok
}

type jsonReader struct {
	text string
	at   int
}

// peek is the next byte, or 0 at the end.
func (r *jsonReader) peek() byte {
	if r.at >= len(r.text) {
		return 0
	}
	return r.text[r.at]
}

func (r *jsonReader) skipSpace() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

func (r *jsonReader) take(expected byte) bool {
	if r.peek() != expected || r.at >= len(r.text) {
		return false
	}
	r.at++
	return true
}

func (r *jsonReader) word(word string, value any) (any, bool) {
	if !strings.HasPrefix(r.text[r.at:], word) {
		return nil, false
	}
	r.at += len(word)
	return value, true
}

func (r *jsonReader) value(depth int) (any, bool) {
	switch r.peek() {
	case '{':
		return r.object(depth + 1)
	case '[':
		return r.list(depth + 1)
	case '"':
		text, ok := r.string()
		return text, ok
	case 't':
		return r.word("true", true)
	case 'f':
		return r.word("false", false)
	case 'n':
		return r.word("null", nil)
	default:
		return r.number()
	}
}

func (r *jsonReader) object(depth int) (any, bool) {
	if depth > limitJSONDepth {
		return nil, false
	}
	r.at++
	members := object{}
	r.skipSpace()
	if r.take('}') {
		return members, true
	}
	for {
		r.skipSpace()
		name, ok := r.string()
		if !ok {
			return nil, false
		}
		if _, isTwice := members[name]; isTwice {
			return nil, false
		}
		r.skipSpace()
		if !r.take(':') {
			return nil, false
		}
		r.skipSpace()
		value, ok := r.value(depth)
		if !ok {
			return nil, false
		}
		members[name] = value
		r.skipSpace()
		if r.take('}') {
			return members, true
		}
		if !r.take(',') {
			return nil, false
		}
	}
}

func (r *jsonReader) list(depth int) (any, bool) {
	if depth > limitJSONDepth {
		return nil, false
	}
	r.at++
	items := []any{}
	r.skipSpace()
	if r.take(']') {
		return items, true
	}
	for {
		r.skipSpace()
		value, ok := r.value(depth)
		if !ok {
			return nil, false
		}
		items = append(items, value)
		r.skipSpace()
		if r.take(']') {
			return items, true
		}
		if !r.take(',') {
			return nil, false
		}
	}
}

// string reads a text. One without escapes shares the memory of the whole.
func (r *jsonReader) string() (string, bool) {
	if !r.take('"') {
		return "", false
	}
	from := r.at
	for r.at < len(r.text) {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			return r.text[from : r.at-1], true
		case c == '\\':
			return r.escaped(from)
		case c < 0x20:
			return "", false
		default:
			r.at++
		}
	}
	return "", false
}

func (r *jsonReader) escaped(from int) (string, bool) {
	var built strings.Builder
	built.WriteString(r.text[from:r.at])
	for r.at < len(r.text) {
		c := r.text[r.at]
		r.at++
		switch {
		case c == '"':
			return built.String(), true
		case c < 0x20:
			return "", false
		case c != '\\':
			built.WriteByte(c)
		case !r.escape(&built):
			return "", false
		}
	}
	return "", false
}

const (
	escapeNames  = `"\/bfnrt`
	escapeValues = "\"\\/\b\f\n\r\t"
)

// escape reads what follows a backslash. Half of a surrogate pair becomes U+FFFD.
func (r *jsonReader) escape(built *strings.Builder) bool {
	c := r.peek()
	r.at++
	if c != 'u' {
		index := strings.IndexByte(escapeNames, c)
		if index < 0 {
			return false
		}
		built.WriteByte(escapeValues[index])
		return true
	}
	unit, ok := r.codeUnit()
	if !ok {
		return false
	}
	if utf16.IsSurrogate(unit) && strings.HasPrefix(r.text[r.at:], `\u`) {
		back := r.at
		r.at += 2
		second, isUnit := r.codeUnit()
		if pair := utf16.DecodeRune(unit, second); isUnit && pair != utf8.RuneError {
			unit = pair
		} else {
			r.at = back
		}
	}
	built.WriteRune(unit)
	return true
}

func (r *jsonReader) codeUnit() (rune, bool) {
	if r.at+4 > len(r.text) {
		return 0, false
	}
	digits := r.text[r.at : r.at+4]
	for i := 0; i < len(digits); i++ {
		if !strings.ContainsRune("0123456789abcdefABCDEF", rune(digits[i])) {
			return 0, false
		}
	}
	unit, err := strconv.ParseUint(digits, 16, 16)
	r.at += 4
	return rune(unit), err == nil
}

func (r *jsonReader) digits() bool {
	from := r.at
	for c := r.peek(); c >= '0' && c <= '9'; c = r.peek() {
		r.at++
	}
	return r.at > from
}

func (r *jsonReader) number() (any, bool) {
	from := r.at
	r.take('-')
	if !r.take('0') && !r.digits() {
		return nil, false
	}
	if r.take('.') && !r.digits() {
		return nil, false
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		r.at++
		if !r.take('-') {
			r.take('+')
		}
		if !r.digits() {
			return nil, false
		}
	}
	// A number beyond the range of float64 becomes infinite, which no claim accepts.
	value, _ := strconv.ParseFloat(r.text[from:r.at], 64)
	return value, true
}
