package verifier_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func sources(t *testing.T, name string) string {
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// flat drops the indentation.
func flat(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}

func TestTheCodeOfTheReadmeIsCodeThatTheTestsRun(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(sources(t, "README.md"), -1)
	run := flat(sources(t, "example/main.go")) + "\n" + flat(sources(t, "example_test.go")) + "\n" + flat(sources(t, "gin/gin_test.go"))
	if len(blocks) < 4 {
		t.Errorf("only %d blocks", len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(run, flat(block[1])) {
			t.Errorf("no test runs:\n%s", block[1])
		}
	}
}

func TestTheFirstProtectedRouteTakesAtMost12Lines(t *testing.T) {
	_, code, _ := strings.Cut(sources(t, "example/main.go"), "\n)\n")
	lines := 0
	for _, line := range strings.Split(flat(code), "\n") {
		if line != "" {
			lines++
		}
	}
	if lines == 0 || lines > 12 {
		t.Errorf("%d lines", lines)
	}
}
