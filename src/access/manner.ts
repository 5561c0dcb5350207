/** What a part of the work is about: a path of the file system, one of this system, or both. */
export interface Subject {
  readonly path?: string;
  readonly local?: string;
}

/** How the commands on trees go about it. */
export interface Manner {
  readonly recursive: boolean;
  /** Do a part of the work that may fail: the error is told, and the rest goes on. An Errno is the file system's, another error this system's. */
  attempt(subject: Subject, action: () => Promise<void>): Promise<void>;
}

/** `path` of something in a directory. */
export function below(directory: string, name: string): string {
  return name === "" ? directory : `${directory.replace(/\/+$/, "")}/${name}`;
}

/** What a file is called in another directory: its last name, "" for those that have none ("/", ".", ".."). */
export function lastName(path: string): string {
  const name = path.split("/").findLast((part) => part !== "") ?? "";
  return name === "." || name === ".." ? "" : name;
}
