/** A process's health on its metrics socket; `silent` where it does not answer within a second. */
export type ProcessHealth = { readonly status: string };

type SilenceWatchOptions = {
  /** By name of the process. */
  readonly ask: () => Promise<Readonly<Record<string, ProcessHealth>>>;
  readonly pidOf: (name: string) => number | undefined;
  readonly say: (text: string) => void;
  readonly nowMs: () => number;
};

/** A process that is restarted is silent for a moment: one missed answer is not reported. */
const LOOKS_BEFORE_NEWS = 2;

const help = (pid: number | undefined): string =>
  pid === undefined
    ? ''
    : ` (fix: ps -o stat= -p ${pid}; state T: kill -CONT ${pid}; else kill -KILL ${pid}, and it is started again)`;

/** Logs once that a process is silent, and once that it is back. */
export function createSilenceWatch({ ask, pidOf, say, nowMs }: SilenceWatchOptions): { look(): Promise<void> } {
  const silent = new Map<string, { looks: number; sinceMs: number }>();
  const seconds = (sinceMs: number): number => Math.round((nowMs() - sinceMs) / 1_000);
  return {
    async look() {
      const processes = await ask();
      // A process that answers without a health report is not in the list.
      for (const [name, { looks, sinceMs }] of silent) {
        if (processes[name]?.status === 'silent') continue;
        if (looks >= LOOKS_BEFORE_NEWS) say(`${name} answers again after ${seconds(sinceMs)} s`);
        silent.delete(name);
      }
      for (const [name, { status }] of Object.entries(processes)) {
        if (status !== 'silent') continue;
        const { looks, sinceMs } = silent.get(name) ?? { looks: 0, sinceMs: nowMs() };
        silent.set(name, { looks: looks + 1, sinceMs });
        if (looks + 1 !== LOOKS_BEFORE_NEWS) continue;
        const pid = pidOf(name);
        const who = pid === undefined ? name : `${name} (pid ${pid})`;
        say(`${who} is silent: it has not answered for ${seconds(sinceMs)} s${help(pid)}`);
      }
    },
  };
}
