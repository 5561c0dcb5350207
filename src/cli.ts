import { main } from "./commands/personality.ts";

await main();
