import { expect, test } from "bun:test";
import { constants } from "node:os";
import { ERRNO_NAMES } from "../../src/errno.ts";
import { errnoName, errnoNumber, LINUX } from "../../src/fuse/errno.ts";

// From 1 on, in the order of uapi/asm-generic/errno-base.h and errno.h; 41 and 58 are nobody's.
const order = `
  EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT
  ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG
  ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY
  ELOOP - ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR
  EXFULL ENOANO EBADRQC EBADSLT - EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE
  ENOLINK EADV ESRMNT ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG
  ELIBACC ELIBBAD ELIBSCN ELIBMAX ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK
  EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP
  EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET
  ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT
  ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL
  EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED
  EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL EHWPOISON
`
  .trim()
  .split(/\s+/);

test("the numbers are those of the headers, 1 to 133", () => {
  expect(order).toHaveLength(133);
  const expected = order.map((name, i) => [name, i + 1]).filter(([name]) => name !== "-");
  expect(Object.entries(LINUX) as (string | number)[][]).toEqual(expected);
});

test("name and number lead to each other", () => {
  for (const [name, number] of Object.entries(LINUX)) {
    expect(errnoNumber(name)).toBe(number);
    expect(errnoName(number) as string).toBe(name);
  }
});

test("synonyms", () => {
  expect(errnoNumber("EWOULDBLOCK")).toBe(11);
  expect(errnoNumber("ENOTSUP")).toBe(95);
  expect(errnoNumber("EDEADLOCK")).toBe(35);
  expect([errnoName(11), errnoName(95), errnoName(35)]).toEqual([
    "EAGAIN",
    "EOPNOTSUPP",
    "EDEADLK",
  ]);
});

test("NetBSD's own names become the nearest", () => {
  const nearest = {
    ENOATTR: 61,
    EFTYPE: 22,
    EAUTH: 13,
    ENEEDAUTH: 13,
    EPROCLIM: 11,
    EBADRPC: 71,
    ERPCMISMATCH: 71,
    EPROGUNAVAIL: 71,
    EPROGMISMATCH: 71,
    EPROCUNAVAIL: 71,
  };
  for (const [name, number] of Object.entries(nearest)) expect(errnoNumber(name)).toBe(number);
});

test("every name that operations may use has a number of its own, not the last resort", () => {
  const lost = ERRNO_NAMES.filter((name) => name !== "EIO" && errnoNumber(name) === LINUX.EIO);
  expect(lost).toEqual([]);
});

test("what nobody has is EIO, also the names that every object has", () => {
  for (const name of ["EWHATEVER", "", "enoent", "constructor", "__proto__", "toString"]) {
    expect(errnoNumber(name)).toBe(5);
  }
  for (const number of [0, -2, 41, 58, 134, 512, Number.NaN]) {
    expect(errnoName(number)).toBeUndefined();
  }
});

test.if(process.platform === "linux")("the host agrees, if it is Linux", () => {
  const host = Object.entries(constants.errno);
  expect(host.length).toBeGreaterThan(50);
  const numbers = host.map(([name]) => [name, errnoNumber(name)]);
  expect(numbers).toEqual(host.map(([name, number]) => [name, number]));
});
