/** What perfused takes from its environment. */
export interface Settings {
  /** Whether permissions are asked of the daemon, by ACCESS. */
  readonly access: boolean;
  /** Whether files are made by CREATE, where the daemon knows it. */
  readonly create: boolean;
  /** Bytes of room in each socket, both ways. */
  readonly bufferSize: number;
}

/** Sixteen of the longest messages of libfuse: 0x21000 bytes each. */
export const DEFAULT_BUFFER_SIZE = 16 * 0x21000;

/** Extended attributes are as long as this, and cannot be cut: a daemon whose answer does not pass never answers. */
const LEAST_BUFFER_SIZE = 0x10000;

/**
 * PERFUSE_OPTIONS: words separated by commas, of which the later hold and unknown ones say nothing. PERFUSE_BUFSIZE: an unsigned
 * number of 32 bits as strtoul(3) reads it in base 0; anything else is a warning, and so is what is too little.
 */
export function settingsOf(
  environment: Readonly<Record<string, string | undefined>>,
  warn: (message: string) => void,
): Settings {
  const { PERFUSE_OPTIONS = "", PERFUSE_BUFSIZE } = environment;
  let settings = DEFAULTS;
  for (const word of PERFUSE_OPTIONS.split(",")) {
    if (Object.hasOwn(WORDS, word)) settings = { ...settings, ...WORDS[word] };
  }
  if (PERFUSE_BUFSIZE === undefined) return settings;
  const bufferSize = unsigned(PERFUSE_BUFSIZE);
  if (bufferSize !== undefined && bufferSize < LEAST_BUFFER_SIZE) {
    warn(
      `PERFUSE_BUFSIZE is ${bufferSize}, which some messages do not pass; it is taken as ${LEAST_BUFFER_SIZE}`,
    );
    return { ...settings, bufferSize: LEAST_BUFFER_SIZE };
  }
  if (bufferSize !== undefined) return { ...settings, bufferSize };
  warn(
    `PERFUSE_BUFSIZE is ${JSON.stringify(PERFUSE_BUFSIZE)}, which is no number of bytes; it is taken as ${DEFAULT_BUFFER_SIZE}`,
  );
  return settings;
}

const DEFAULTS: Settings = { access: false, create: true, bufferSize: DEFAULT_BUFFER_SIZE };

const WORDS: Readonly<Record<string, Partial<Settings>>> = {
  enable_access: { access: true },
  disable_access: { access: false },
  enable_creat: { create: true },
  disable_creat: { create: false },
};

/** A number of C: 0x for base 16, 0 for base 8. */
function unsigned(text: string): number | undefined {
  const digits = /^\s*\+?(?:0x([0-9a-f]+)|0([0-7]*)|([1-9]\d*))$/i.exec(text);
  if (digits === null) return undefined;
  const [, hex, octal, decimal] = digits;
  const value =
    hex !== undefined
      ? Number.parseInt(hex, 16)
      : octal !== undefined
        ? Number.parseInt(`0${octal}`, 8)
        : Number(decimal);
  return value < 2 ** 32 ? value : undefined;
}
