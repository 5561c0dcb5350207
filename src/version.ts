import { version } from "../package.json";

/** Of this program, as --version prints it. */
export const VERSION: string = version;
