/** How a command ends: the codes of mount(8), which its helpers keep too. */
export const exitCodes = {
  ok: 0,
  /** The command line is wrong, or the caller may not do this. */
  usage: 1,
  /** The system lacks something: memory, processes, descriptors. */
  system: 2,
  /** A bug of ours. */
  internal: 4,
  /** Interrupted by the user before it was done. */
  interrupted: 8,
  /** The mount (or unmount) failed. */
  mount: 32,
} as const;

/** How a daemon of BSD's ends, if not well: sysexits(3). */
export const sysexits = {
  /** EX_USAGE: the command line. */
  usage: 64,
  /** EX_SOFTWARE: a bug of ours. */
  software: 70,
  /** EX_OSERR: the system lacks or refuses something. */
  osError: 71,
  /** EX_OSFILE: a file of the system is not what it should be. */
  osFile: 72,
  /** EX_PROTOCOL: the peer does not speak as agreed. */
  protocol: 76,
  /** EX_NOPERM: the peer may not do this. */
  noPermission: 77,
} as const;

export type ExitCode =
  | (typeof exitCodes)[keyof typeof exitCodes]
  | (typeof sysexits)[keyof typeof sysexits];

/** Why a command ends without having done its work: one line that says what was wrong and what to do. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = exitCodes.mount) {
    super(oneLine(message));
    this.exitCode = exitCode;
  }
}

/** A failure of the command line itself. */
export function usageFailure(message: string): Failure {
  return new Failure(message, exitCodes.usage);
}

/** Any thrown value as a Failure; one that is not yet has `context` before its message. */
export function failureOf(
  thrown: unknown,
  context: string,
  exitCode: ExitCode = exitCodes.mount,
): Failure {
  if (thrown instanceof Failure) return thrown;
  return new Failure(`${context}: ${messageOf(thrown)}`, exitCode);
}

/** What a thrown value says, in one line, whatever it is. */
export function messageOf(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
  return oneLine(message);
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, "; ");
}
