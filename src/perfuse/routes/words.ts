/** Words by which this program starts itself in other parts (see commands/personality.ts). */

/** `--perfuse-launch JSON ARGV0 ARG...`: become a daemon. */
export const LAUNCH = "--perfuse-launch";

/** `--perfused ARG...`: be a perfused, whatever the program is called. */
export const PERFUSED = "--perfused";

/** `--fusermount SOCKET ARG...`: be a fusermount. */
export const FUSERMOUNT = "--fusermount";
