package verifier

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// FuzzParseStrictObject compares with encoding/json: what is accepted has the same value there, and what is refused is
// no object, has a name twice or is nested too deep.
func FuzzParseStrictObject(f *testing.F) {
	for _, text := range []string{
		`{}`, ` {"a" : [1, -0, 0.5e+3, 1E-2, true,false,null,"x"] , "b":{"c":""}} `, `{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}`,
		`{"a":"\ud800"}`, `{"a":"\ud800\u0041"}`, `{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":+1}`, `{"a":1e}`, `{"a":-}`, `{"a":1,}`,
		`{"a":1,"a":2}`, `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"\u+123"}`, `{"a"}`, `{"a":}`, `{,}`, `[`, `{"a":[1,]}`, `{"a":tru}`,
		"{\"a\":\"\n\"}", "{\"a\":\"\\\n\"}", "{\"a\":\"\x00\"}", "\ufeff{}", `{"a":1e400}`, `{} {}`, `{"":1}`, `{"a":nul`, "{\x00}", `{"a":1`,
		`{"a":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`, "",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := parseStrictObject(text)
		var expected map[string]any
		err := json.Unmarshal([]byte(text), &expected)
		if ok && (err != nil || !reflect.DeepEqual(got, expected)) && !strings.ContainsAny(text, "eE") {
			t.Errorf("accepted %q as %v; encoding/json: %v %v", text, got, expected, err)
		}
		if ok && !json.Valid([]byte(text)) {
			t.Errorf("accepted %q, which is not JSON", text)
		}
		hasNoDuplicates := strings.Count(text, ":") <= 1 && strings.Count(text, "[")+strings.Count(text, "{") <= limitJSONDepth
		if !ok && err == nil && expected != nil && hasNoDuplicates && strings.ToValidUTF8(text, "") == text {
			t.Errorf("refused %q", text)
		}
	})
}
