package procfs

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"
)

func TestCgroupOf(t *testing.T) {
	const (
		hybrid  = "30 25 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n31 25 0:27 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n"
		unified = "31 25 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
		part    = "31 25 0:27 /system.slice /cg rw - cgroup2 cgroup2 rw\n"
	)
	for _, tt := range []struct{ name, groups, mounts, group, dir string }{
		{"unified", "0::/user.slice/a.scope\n", unified, "/user.slice/a.scope", "/sys/fs/cgroup/user.slice/a.scope"},
		{"beside version 1", "4:memory:/x\n0::/\n", hybrid, "/", "/sys/fs/cgroup/unified"},
		{"a part is mounted", "0::/system.slice/b.service\n", part, "/system.slice/b.service", "/cg/b.service"},
		{"another part is mounted", "0::/system.slices\n", part, "", ""},
		{"version 1 only", "4:memory:/x\n", hybrid, "", ""},
		{"not mounted", "0::/a\n", "", "", ""},
		{"outside the namespace", "0::/../b\n", unified, "", ""},
		{"a line cut short", "0::/a\n", "31 25 - cgroup2 cgroup2 rw\n", "", ""},
	} {
		group, dir, ok := cgroupOf(tt.groups, tt.mounts)
		if group != tt.group || dir != tt.dir || ok != (tt.dir != "") {
			t.Errorf("%s: %q in %q, %v", tt.name, group, dir, ok)
		}
	}
}

// Whoever may not ask is told so.
func TestConnectPrograms(t *testing.T) {
	all, err := ConnectPrograms()
	if err != nil && !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EACCES) && !errors.Is(err, syscall.ENOSYS) && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	for _, p := range all {
		if p.ID == 0 || p.Cgroup == "" || p.Attach != "connect4" && p.Attach != "connect6" {
			t.Errorf("%+v", p)
		}
	}
}

func FuzzCgroupOf(f *testing.F) {
	f.Add("0::/a\n", "31 25 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
	f.Add("0::/a/../b\n", "31 25 0:27 /a /cg rw - cgroup2 cgroup2 rw\n")
	f.Fuzz(func(t *testing.T, groups, mounts string) {
		if _, dir, ok := cgroupOf(groups, mounts); ok != (dir != "") {
			t.Errorf("%q, %v", dir, ok)
		}
	})
}
