package netns_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/testmain"
)

func TestMain(m *testing.M) {
	testmain.Main(m,
		testmain.Helper("connect", connect),
		testmain.Helper("status", status),
		testmain.Helper("block", block),
		testmain.Helper("build", build))
}

// connect dials its argument and prints the error.
func connect(args []string) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", args[0])
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer c.Close()
	fmt.Println(c.LocalAddr())
	return 0
}

// status prints the fields of /proc/self/status that its arguments name.
func status(args []string) int {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for line := range strings.Lines(string(b)) {
		for _, name := range args {
			if value, ok := strings.CutPrefix(line, name+":"); ok {
				fmt.Println(name, strings.Join(strings.Fields(value), " "))
			}
		}
	}
	return 0
}

// block says that it runs and then waits to be killed.
func block([]string) int {
	fmt.Println("running")
	<-time.After(time.Hour)
	return 1
}
