package experiment

const (
	successTitle = "Was it a success?"
	giveUpTitle  = "How long until it gives up?"
	reuseTitle   = "Is a failed socket really dead?"
)

const successAbout = `A non-blocking connect has returned EINPROGRESS. Four classical tests are
said to tell whether it has succeeded since: SO_ERROR, getpeername, a read of no
bytes, a second connect. Each was asked here in each outcome, on a socket of its
own, after poll had shown that something happened.`

const giveUpAbout = `Every way to bound the time of a connect that nobody answers, as the kernel's
rules predict it (tcp_timer.c, as internal/tcpstate computes it) and as it was
measured. Long timers are scaled down by sysctls of the namespace.`

const reuseAbout = `A socket's connect fails in one way or another. Then the same socket is
connected to a port that is open: at once, after SO_ERROR was read, and after
connect(AF_UNSPEC).`

var successSettles = []string{
	"**SO_ERROR after writability is right** in every outcome, and it is the only one that names the error. Before writability it says 0 for a connect that has no answer yet, so poll comes first; and it is emptied by reading.",
	"**getpeername** tells connected from not connected, without a reason, but calls a connection that the peer has reset already one that never was: it gives ENOTCONN for both.",
	"**A read of no bytes tells nothing**: read(2) returns 0 on every socket, refused and timed out ones included, since the kernel ends it before TCP is asked (sock_read_iter). Accounts that take it for a test are wrong here; recv(2) of no bytes does ask TCP, and gives EAGAIN for an open connection as for one without an answer.",
	"**A second connect** gives the errno of a failure, EALREADY while there is no answer, and for success 0 the first time and EISCONN only from then on: who waits for EISCONN sees a success as no answer. After a failure the third connect is a new attempt.",
	"**Readable and writable at once is no failure**: a peer that spoke first, or closed, looks so too. ERR is the bit of a failure.",
}

var reuseSettles = []string{
	"**It is not dead, here.** On Linux a socket whose connect failed takes a new connect: the first call after it only reports the old error (ECONNABORTED if SO_ERROR was read), and the one after that begins anew.",
	"**connect(AF_UNSPEC) revives it at once**, from every state, also from an open connection and from an attempt that has no answer yet.",
	"**A second connect to another address says 0, once, on a socket that is connected already**, and leaves it with its first peer: an address list must not be walked with one socket.",
	"Portable programs open a new socket for each attempt: connect(2) promises none of this.",
}

var giveUpSettles = []string{
	"**The kernel's own end is as predicted** from retries, linear timeouts and the ceiling of the timeout, up to a few percent late: its timers round up.",
	"**Only the kernel's own end is an end.** After a deadline of poll, SO_SNDTIMEO or a signal the attempt goes on behind the program's back until the socket is closed.",
	"**SO_SNDTIMEO does not give ETIMEDOUT**: a blocking connect that runs into it gives EINPROGRESS.",
	"**A signal ends nothing**: with SA_RESTART the call goes on, unless SO_SNDTIMEO is set; then it gives EINTR at once, and readiness must be awaited: a repeated connect would say EALREADY.",
	"**Keepalive has no part in it**: it begins when the connection stands.",
	"**TCP_USER_TIMEOUT holds for the SYN too**, and is the only one of the kernel's bounds that is a time and not a count.",
}
