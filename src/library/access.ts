/*
 * Who may do what (puffs_access(3) and its like): undefined, or the error that says no. Each takes the file's attributes, its
 * mode with the kind, and a Credential. The framework asks the same for a plugin without `access`.
 */
export {
  refuseAccess as access,
  refuseChmod as accessChmod,
  refuseChown as accessChown,
  refuseTimes as accessTimes,
} from "../puffs/permission.ts";
