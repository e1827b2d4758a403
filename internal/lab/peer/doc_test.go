package peer_test

import (
	"os"
	"strings"
	"testing"

	"github.com/dialscope/dialscope/internal/lab/peer"
)

// The examples of the manual are scripts.
func TestManualsExamplesParse(t *testing.T) {
	page, err := os.ReadFile("../../../docs/peer.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```\n")
	examples := 0
	for i := 1; i < len(blocks); i += 2 {
		text := blocks[i]
		if !strings.Contains(text, "host ") {
			text = "host 192.0.2.1\n" + text
		}
		if _, err := peer.Parse(text); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
		examples++
	}
	if examples < 5 {
		t.Errorf("%d examples found", examples)
	}
}
