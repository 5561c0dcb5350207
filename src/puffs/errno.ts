/** NetBSD's numbers of errors (sys/sys/errno.h), whatever the host is. The last, ELAST, is 96: the kernel refuses greater ones. */
export const NETBSD = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  ENOEXEC: 8,
  EBADF: 9,
  ECHILD: 10,
  EDEADLK: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  ENOTBLK: 15,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EMLINK: 31,
  EPIPE: 32,
  EDOM: 33,
  ERANGE: 34,
  EAGAIN: 35,
  EINPROGRESS: 36,
  EALREADY: 37,
  ENOTSOCK: 38,
  EDESTADDRREQ: 39,
  EMSGSIZE: 40,
  EPROTOTYPE: 41,
  ENOPROTOOPT: 42,
  EPROTONOSUPPORT: 43,
  ESOCKTNOSUPPORT: 44,
  EOPNOTSUPP: 45,
  EPFNOSUPPORT: 46,
  EAFNOSUPPORT: 47,
  EADDRINUSE: 48,
  EADDRNOTAVAIL: 49,
  ENETDOWN: 50,
  ENETUNREACH: 51,
  ENETRESET: 52,
  ECONNABORTED: 53,
  ECONNRESET: 54,
  ENOBUFS: 55,
  EISCONN: 56,
  ENOTCONN: 57,
  ESHUTDOWN: 58,
  ETOOMANYREFS: 59,
  ETIMEDOUT: 60,
  ECONNREFUSED: 61,
  ELOOP: 62,
  ENAMETOOLONG: 63,
  EHOSTDOWN: 64,
  EHOSTUNREACH: 65,
  ENOTEMPTY: 66,
  EPROCLIM: 67,
  EUSERS: 68,
  EDQUOT: 69,
  ESTALE: 70,
  EREMOTE: 71,
  EBADRPC: 72,
  ERPCMISMATCH: 73,
  EPROGUNAVAIL: 74,
  EPROGMISMATCH: 75,
  EPROCUNAVAIL: 76,
  ENOLCK: 77,
  ENOSYS: 78,
  EFTYPE: 79,
  EAUTH: 80,
  ENEEDAUTH: 81,
  EIDRM: 82,
  ENOMSG: 83,
  EOVERFLOW: 84,
  EILSEQ: 85,
  ENOTSUP: 86,
  ECANCELED: 87,
  EBADMSG: 88,
  ENODATA: 89,
  ENOSR: 90,
  ENOSTR: 91,
  ETIME: 92,
  ENOATTR: 93,
  EMULTIHOP: 94,
  ENOLINK: 95,
  EPROTO: 96,
} as const;

/** The greatest number that a reply may carry. */
export const ELAST = 96;

/**
 * The number that a reply carries for the name of an error. A name of another system becomes the nearest that NetBSD has; a
 * name that nobody has becomes EIO.
 */
export function errnoNumber(name: string): number {
  return numbers.get(name) ?? NETBSD.EIO;
}

/** The name of a positive number, or undefined if NetBSD has none. Of synonyms it says the one in `NETBSD`. */
export function errnoName(number: number): keyof typeof NETBSD | undefined {
  return names.get(number);
}

/** Names that NetBSD has not, or has for the same number, and what stands for them. */
const OTHERS: Readonly<Record<string, keyof typeof NETBSD>> = {
  EWOULDBLOCK: "EAGAIN",
  EDEADLOCK: "EDEADLK",

  ECHRNG: "EINVAL",
  EREMOTEIO: "EPROTO",
  ERESTART: "EINTR",
  ENOMEDIUM: "ENXIO",
  EMEDIUMTYPE: "EFTYPE",
  ENOKEY: "EACCES",
  EKEYEXPIRED: "EACCES",
  EKEYREVOKED: "EACCES",
  EKEYREJECTED: "EACCES",
  EOWNERDEAD: "ENOLCK",
  ENOTRECOVERABLE: "ENOLCK",
};

const entries = Object.entries(NETBSD) as [keyof typeof NETBSD, number][];
const names = new Map(entries.map(([name, number]) => [number, name]));
const numbers = new Map<string, number>([
  ...entries,
  ...Object.entries(OTHERS).map(([name, nearest]): [string, number] => [name, NETBSD[nearest]]),
]);
