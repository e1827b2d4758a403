package netlink

import (
	"errors"
	"syscall"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// dumpLimit bounds how many entries of one table are read.
const dumpLimit = 1 << 17

// ask dumps, and asks again when the table changed meanwhile. After the third
// time it makes do with what came: an entry may be missing then. start runs
// before each try.
func ask(c *sys.Netlink, typ uint16, body []byte, start func(), each func(payload []byte) bool) error {
	for range 3 {
		start()
		err := c.Ask(typ, syscall.NLM_F_DUMP, body, func(_ uint16, payload []byte) bool { return each(payload) })
		if !errors.Is(err, sys.ErrDumpInterrupted) {
			return err
		}
	}
	return nil
}
