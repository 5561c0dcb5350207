import type { AnyPlugin } from "../plugin.ts";
import { DiagnosticObserver } from "./diagnostic-observer.ts";
import { DiagFlags, type Diagnostics } from "./diagnostics.ts";
import type { Hosting, host } from "./host.ts";
import { both } from "./observers.ts";
import type { Settings } from "./settings.ts";
import { Trace } from "./trace-file.ts";

export interface HostedOptions {
  /** The connected socket of one daemon. */
  readonly socket: number;
  readonly settings: Settings;
  readonly diagnostics: Diagnostics;
  /** Plays the kernel. */
  readonly host: typeof host;
}

/** The daemon that a perfused -i serves, as what the framework mounts: a plugin. Its exchanges are watched for SIGUSR1 and for -d. */
export class Hosted {
  readonly plugin: AnyPlugin;
  readonly #diagnostics: Diagnostics;
  readonly #trace = new Trace();
  #hosting: Hosting | undefined;
  #leaving = false;

  /** `maxRead`: bytes of a READ at most, if the daemon has a bound. */
  constructor({ socket, settings, diagnostics, host }: HostedOptions, maxRead: number | undefined) {
    this.#diagnostics = diagnostics;
    // What -d asks for besides the places where it is said.
    const asked = diagnostics.flags & ~(DiagFlags.foreground | DiagFlags.syslog | DiagFlags.misc);
    this.plugin = {
      name: "perfuse",
      description: "a FUSE daemon that perfused serves",
      start: async ({ usermount }) => {
        const hosting = await host({
          socket,
          usermount,
          access: settings.access,
          create: settings.create,
          maxRead,
          report: (message, cause) => diagnostics.error(message, cause),
          observe:
            asked === 0 ? this.#trace : both(this.#trace, new DiagnosticObserver(diagnostics)),
        });
        this.#hosting = hosting;
        const { fileSystem } = hosting;
        const unmount = (pid?: number) => {
          this.#leaving = true;
          return fileSystem.fs?.unmount?.(pid);
        };
        return { ...fileSystem, fs: { ...fileSystem.fs, unmount } };
      },
    };
  }

  /** Begin to note down exchanges, or end it: then the text of a trace file is written. Nothing happens before INIT is answered. */
  toggleTrace(write: (text: string) => void): void {
    const hosting = this.#hosting;
    if (hosting === undefined) return;
    this.#trace.enabled = !this.#trace.enabled;
    if (!this.#trace.enabled) write(this.#trace.text(hosting.counts));
    const words = this.#trace.enabled ? "trace enabled" : "trace dumped, trace disabled";
    this.#diagnostics.info(words);
  }

  /** Call back when the daemon has gone by itself. */
  whenGone(gone: () => void): void {
    this.#hosting?.ended.then(() => {
      if (!this.#leaving) gone();
    });
  }
}
