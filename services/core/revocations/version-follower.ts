import type { Log } from '#services/core/ports.ts';

export type VersionFollower = {
  /**
   * Reloads unless this version is loaded. One reload runs at a time; a failed reload is retried at the next call.
   * Resolves with true when any version is loaded. Never rejects.
   */
  see(version: number): Promise<boolean>;
  /** Makes the next `see` reload, whatever the version. */
  forget(): void;
};

/** Keeps state in memory at the version that the database counts. */
export function createVersionFollower(what: string, reload: () => Promise<unknown>, log: Log): VersionFollower {
  let loaded: number | null = null;
  let wanted: number | null = null;
  let running: Promise<boolean> | null = null;

  async function run(): Promise<boolean> {
    try {
      while (loaded !== wanted) {
        const version = wanted;
        await reload();
        loaded = version;
      }
    } catch (err) {
      log.warn({ err, what }, 'state could not be reloaded; retrying');
    }
    return loaded !== null;
  }

  return {
    see(version) {
      wanted = version;
      if (loaded === version && running === null) return Promise.resolve(true);
      running ??= run().finally(() => {
        running = null;
      });
      return running;
    },
    forget() {
      loaded = null;
    },
  };
}
