/** A file of the daemon's. */
export interface PerfuseNode {
  /** The daemon's number of it. */
  readonly nodeid: number;
  /** The last name that led here; "" for the root. */
  readonly name: string;
}
