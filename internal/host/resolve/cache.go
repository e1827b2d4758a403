package resolve

import (
	"os"
	"sync"
	"time"
)

// recheck is how long a file is taken to be unchanged without looking.
const recheck = 5 * time.Second

// fileCache keeps parsed files. A file is looked at (stat(2)) at most every
// recheck and read again when its time or size changed.
type fileCache[T any] struct {
	parse func(text []byte) T // of a file that cannot be read: of nil
	keep  func(T) bool        // never look again; may be nil
	now   func() time.Time    // the clock
	mu    sync.Mutex          // guards files
	files map[string]*file[T] // by path
}

type file[T any] struct {
	value   T
	err     error // why it could not be read
	mtime   time.Time
	size    int64
	checked time.Time
}

func newFileCache[T any](parse func([]byte) T) *fileCache[T] {
	return &fileCache[T]{parse: parse, now: time.Now, files: map[string]*file[T]{}}
}

// get returns the parsed file. An error says that the file could not be read;
// the value then is what an empty file gives.
func (c *fileCache[T]) get(path string) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	f := c.files[path]
	if f != nil && (now.Sub(f.checked) < recheck || c.keep != nil && c.keep(f.value)) {
		return f.value, f.err
	}
	var mtime time.Time
	var size int64 = -1
	if info, err := os.Stat(path); err == nil {
		mtime, size = info.ModTime(), info.Size()
	}
	if f == nil || !f.mtime.Equal(mtime) || f.size != size {
		f = &file[T]{mtime: mtime, size: size}
		var text []byte
		if text, f.err = os.ReadFile(path); f.err != nil {
			text = nil
		}
		f.value = c.parse(text)
		c.files[path] = f
	}
	f.checked = now
	return f.value, f.err
}
