/** A value from a plugin that cannot be: a bug, logged with its stack and answered EIO. */
export class Nonsense extends Error {
  override readonly name = "Nonsense";
}
