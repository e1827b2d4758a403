package dialscope

import "testing"

func TestParseSendFlags(t *testing.T) {
	for text, want := range map[string]SendFlags{
		"":                           0,
		"oob":                        OutOfBand,
		"urgent":                     OutOfBand,
		"MSG_OOB|MSG_MORE":           OutOfBand | More,
		"dontroute, dontwait,EOR":    DontRoute | DontWait | EndOfRecord,
		"more,nosignal,msg_nosignal": More | NoSignal,
	} {
		if got, err := ParseSendFlags(text); got != want || err != nil {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"peek", "oob,MSG_", "oob more", "MSG_MSG_OOB"} {
		if got, err := ParseSendFlags(bad); err == nil {
			t.Errorf("%q is %v", bad, got)
		}
	}
}

func TestSendFlagsString(t *testing.T) {
	for flags, want := range map[SendFlags]string{
		0:                "0",
		OutOfBand | More: "MSG_OOB|MSG_MORE",
		DontRoute | DontWait | EndOfRecord | OutOfBand | More | NoSignal: "MSG_DONTROUTE|MSG_DONTWAIT|MSG_EOR|MSG_OOB|MSG_MORE|MSG_NOSIGNAL",
	} {
		if got := flags.String(); got != want {
			t.Errorf("%d: %s", flags, got)
		}
		if back, err := ParseSendFlags(want); flags != 0 && (back != flags || err != nil) {
			t.Errorf("%s: %v, %v", want, back, err)
		}
	}
}
