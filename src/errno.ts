/**
 * The names of errors. Inside the framework and its plugins an error is a name; each protocol owns its numbers
 * (EOPNOTSUPP is 95 to Linux and 45 to NetBSD). Names are those of errno(2) on either system.
 */
export const ERRNO_NAMES = [
  "E2BIG",
  "EACCES",
  "EADDRINUSE",
  "EADDRNOTAVAIL",
  "EAFNOSUPPORT",
  "EAGAIN",
  "EALREADY",
  "EAUTH",
  "EBADF",
  "EBADMSG",
  "EBUSY",
  "ECANCELED",
  "ECHILD",
  "ECONNABORTED",
  "ECONNREFUSED",
  "ECONNRESET",
  "EDEADLK",
  "EDESTADDRREQ",
  "EDOM",
  "EDQUOT",
  "EEXIST",
  "EFAULT",
  "EFBIG",
  "EFTYPE",
  "EHOSTDOWN",
  "EHOSTUNREACH",
  "EIDRM",
  "EILSEQ",
  "EINPROGRESS",
  "EINTR",
  "EINVAL",
  "EIO",
  "EISCONN",
  "EISDIR",
  "ELOOP",
  "EMEDIUMTYPE",
  "EMFILE",
  "EMLINK",
  "EMSGSIZE",
  "ENAMETOOLONG",
  "ENEEDAUTH",
  "ENETDOWN",
  "ENETRESET",
  "ENETUNREACH",
  "ENFILE",
  "ENOATTR",
  "ENOBUFS",
  "ENODATA",
  "ENODEV",
  "ENOENT",
  "ENOEXEC",
  "ENOKEY",
  "ENOLCK",
  "ENOLINK",
  "ENOMEDIUM",
  "ENOMEM",
  "ENOMSG",
  "ENOPROTOOPT",
  "ENOSPC",
  "ENOSYS",
  "ENOTCONN",
  "ENOTDIR",
  "ENOTEMPTY",
  "ENOTRECOVERABLE",
  "ENOTSOCK",
  "ENOTSUP",
  "ENOTTY",
  "ENXIO",
  "EOPNOTSUPP",
  "EOVERFLOW",
  "EOWNERDEAD",
  "EPERM",
  "EPIPE",
  "EPROTO",
  "EPROTONOSUPPORT",
  "EPROTOTYPE",
  "ERANGE",
  "EREMOTE",
  "EREMOTEIO",
  "ERESTART",
  "EROFS",
  "ESHUTDOWN",
  "ESPIPE",
  "ESRCH",
  "ESTALE",
  "ETIME",
  "ETIMEDOUT",
  "ETXTBSY",
  "EUSERS",
  "EWOULDBLOCK",
  "EXDEV",
] as const;

export type ErrnoName = (typeof ERRNO_NAMES)[number];

const KNOWN: ReadonlySet<string> = new Set(ERRNO_NAMES);

/**
 * An error that an operation answers with. On the hot path return one of the constants below, which costs nothing;
 * elsewhere `throw new Errno("EACCES")` reads well. Any thrown value with a POSIX name in `.code` means the same,
 * so the errors of node:fs pass through unchanged.
 */
export class Errno extends Error {
  readonly code: ErrnoName;

  constructor(code: ErrnoName, message: string = code) {
    super(message);
    this.name = "Errno";
    this.code = code;
  }
}

/**
 * What `lookup` may answer in the place of null: there is no such name, and the kernel may believe that for so many seconds without asking
 * again (Infinity: for ever). Where the door cannot say so, and to all other operations, it is ENOENT.
 */
export class Absent extends Errno {
  readonly seconds: number;

  constructor(seconds: number) {
    super("ENOENT");
    this.seconds = seconds;
  }
}

/** The name that a thrown value carries in `.code`, or undefined: then it is a bug, not an answer. */
export function errnoOf(thrown: unknown): ErrnoName | undefined {
  try {
    const code = (thrown as { code?: unknown } | null | undefined)?.code;
    return typeof code === "string" && KNOWN.has(code) ? (code as ErrnoName) : undefined;
  } catch {
    // A getter that throws names nothing.
    return undefined;
  }
}

/** Without a stack: it would be that of this file's loading, whoever answers with it. */
function constant(code: ErrnoName): Errno {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  const errno = new Errno(code);
  Error.stackTraceLimit = limit;
  return Object.freeze(errno);
}

export const E2BIG = constant("E2BIG");
export const EACCES = constant("EACCES");
export const EAGAIN = constant("EAGAIN");
export const EBADF = constant("EBADF");
export const EBUSY = constant("EBUSY");
export const EDEADLK = constant("EDEADLK");
export const EDQUOT = constant("EDQUOT");
export const EEXIST = constant("EEXIST");
export const EFBIG = constant("EFBIG");
export const EINTR = constant("EINTR");
export const EINVAL = constant("EINVAL");
export const EIO = constant("EIO");
export const EISDIR = constant("EISDIR");
export const ELOOP = constant("ELOOP");
export const EMFILE = constant("EMFILE");
export const EMLINK = constant("EMLINK");
export const ENAMETOOLONG = constant("ENAMETOOLONG");
export const ENFILE = constant("ENFILE");
export const ENODATA = constant("ENODATA");
export const ENODEV = constant("ENODEV");
export const ENOENT = constant("ENOENT");
export const ENOLCK = constant("ENOLCK");
export const ENOMEM = constant("ENOMEM");
export const ENOSPC = constant("ENOSPC");
export const ENOSYS = constant("ENOSYS");
export const ENOTCONN = constant("ENOTCONN");
export const ENOTDIR = constant("ENOTDIR");
export const ENOTEMPTY = constant("ENOTEMPTY");
export const ENOTTY = constant("ENOTTY");
export const ENXIO = constant("ENXIO");
export const EOPNOTSUPP = constant("EOPNOTSUPP");
export const EOVERFLOW = constant("EOVERFLOW");
export const EPERM = constant("EPERM");
export const EPROTO = constant("EPROTO");
export const ERANGE = constant("ERANGE");
export const EROFS = constant("EROFS");
export const ESPIPE = constant("ESPIPE");
export const ESTALE = constant("ESTALE");
export const ETIMEDOUT = constant("ETIMEDOUT");
export const ETXTBSY = constant("ETXTBSY");
export const EXDEV = constant("EXDEV");
