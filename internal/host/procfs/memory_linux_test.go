package procfs

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMemoryFree(t *testing.T) {
	n, err := MemoryFree()
	if err != nil || n == 0 || n > 1<<50 {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := parseMemAvailable("MemTotal: 9 kB\nMemAvailable:   12 kB\n"); n != 12<<10 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, bad := range []string{"", "MemTotal: 9 kB", "MemAvailable: many kB"} {
		if _, err := parseMemAvailable(bad); err == nil {
			t.Errorf("%q is no meminfo", bad)
		}
	}
}

// The tightest group on the way to the root counts.
func TestCgroupFree(t *testing.T) {
	root := t.TempDir()
	for name, content := range map[string]string{
		"a/b/memory.max": "max\n", "a/b/memory.current": "5\n",
		"a/memory.max": "1000\n", "a/memory.current": "400\n",
		"c/memory.max": "100\n", "c/memory.current": "300\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for self, want := range map[string]uint64{
		"0::/a/b\n": 600, "0::/a\n": 600, "0::/c\n": 0, "0::/\n": 1 << 62, "1:cpu:/a\n": 1 << 62, "": 1 << 62, "9:name=x:/\n0::/a\n": 600,
	} {
		if got := cgroupFree(root, self); got != want {
			t.Errorf("%q: %d, want %d", self, got, want)
		}
	}
}
